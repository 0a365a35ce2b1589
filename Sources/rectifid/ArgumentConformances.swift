public import ArgumentParser
public import Benchmark
public import Flow
public import Generation
public import Tensors

// Values of the modules below as people write them on a command line.

extension Subject: ExpressibleByArgument {}

extension Schedule.Kind: ExpressibleByArgument {}

extension Gain: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

extension ClassifierFreeGuidance.Gradient: ExpressibleByArgument {}

extension Precision: ExpressibleByArgument {}

extension BenchmarkScale: ExpressibleByArgument {}

extension NetworkBenchmark.Subject: ExpressibleByArgument {}
