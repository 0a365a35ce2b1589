print("rectifid")
