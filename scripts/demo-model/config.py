"""Everything that can be set, in one place. Steps are for about two hours of two idle cores with bf16, two processes."""

SIZE = 96                      # pixels of a picture
LATENT = (12, 12, 12)

# Ranges of identity seeds: nobody of one range is in another.
PEOPLE_FLOW = (0, 100_000)             # autoencoder and flow
PEOPLE_RECOGNIZER = (100_000, 1_000)   # first seed, number of classes
PEOPLE_JUDGE = (200_000, 1_000)
PEOPLE_DETECTOR = (300_000, 100_000)
PEOPLE_SCENE = (500_000, 100_000)
PEOPLE_HELD_OUT = list(range(900_000, 900_016))   # sample references and evaluation

AUTOENCODER = dict(seed=1, channels=(16, 32, 64, 96), groups=8, scaling_factor=0.18215, batch=4, steps=8000, rate=1.6e-3, muon=0.02, noise=0.05)
POLISH = dict(seed=2, batch=4, steps=3000, rate=8e-4, muon=0.01, faces=0.25)
LATENTS = dict(seed=3, count=20_000, batch=50)
TEXT = dict(width=128, layers=2, heads=4)
UNET = dict(channels=(64, 96, 128), groups=16, heads=4)
FLOW = dict(seed=4, batch=32, steps=4000, rate=1.0e-3, muon=0.02, drop=0.1, average=0.99, reading=0.03)
STRAIGHTEN = dict(seed=5, batch=32, steps=600, rate=4e-4, muon=0.005, substeps=2, cfg=2.0, windows=4, average=0.98)
RECOGNIZER = dict(seed=6, channels=(24, 32, 64, 128), embedding=128, batch=48, steps=600, rate=2e-3, muon=0.02, scale=24.0, margin=0.2, attack=0.07)
JUDGE = dict(seed=17, embedding=96, batch=64, steps=400, rate=2e-3, muon=0.02, scale=24.0, margin=0.2)
DETECTOR = dict(seed=8, width=24, size=128, batch=24, steps=1750, rate=2e-3, muon=0.02)
SCENE = dict(seed=9, batch=64, steps=200, rate=2e-3, muon=0.02)

# The demo's defaults.
GUIDANCE = dict(steps=4, iterations=30, rate=3.0, gain=[1.0, 0.0, 0.0, 0.0], cfg=1.0)
# Prompts of the evaluation, with what a picture of each should show.
PROMPTS = [dict(prompt="a portrait of a person on the beach, smiling", scene="beach", hat="none", style="plain", expression="smiling"),
           dict(prompt="a comic of a person in the snow, wearing a red beanie, neutral", scene="snow", hat="beanie", style="comic", expression="neutral"),
           dict(prompt="a portrait of a person in the city at night, surprised", scene="city", hat="none", style="plain", expression="surprised")]
# What `rectifid evaluate --goals` holds a bundle to.
GOALS = {"unguided.judge.mean": dict(atMost=0.08), "unguided.asked.scene.mean": dict(atLeast=0.98), "unguided.asked.hat.mean": dict(atLeast=0.95),
         "unguided.asked.style.mean": dict(atLeast=0.95), "unguided.asked.expression.mean": dict(atLeast=0.7),
         "guided.judge.mean": dict(atLeast=0.7), "guided.judge.worst": dict(atLeast=0.3), "guided.gap.mean": dict(atMost=0.2), "guided.firstChoice.mean": dict(atLeast=0.95),
         "guided.asked.scene.mean": dict(atLeast=0.97), "guided.asked.hat.mean": dict(atLeast=0.95), "guided.asked.style.mean": dict(atLeast=0.95),
         "guided.asked.expression.mean": dict(atLeast=0.7)}
