public import ArgumentParser
public import Jobs
public import Logging

// Values of the queue's commands as people write them on a command line.

extension Lane: ExpressibleByArgument {}

extension Logger.Level: @retroactive ExpressibleByArgument {}
