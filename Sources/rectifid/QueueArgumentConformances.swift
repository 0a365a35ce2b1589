public import ArgumentParser
public import Logging
public import RectifIDClient

// Values of the queue's commands as people write them on a command line.

extension Lane: ExpressibleByArgument {}

extension Logger.Level: @retroactive ExpressibleByArgument {}
