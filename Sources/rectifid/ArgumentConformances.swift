public import ArgumentParser
public import Flow
public import Generation

// Values of the modules below as people write them on a command line.

extension Subject: ExpressibleByArgument {}

extension Schedule.Kind: ExpressibleByArgument {}

extension Gain: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
