import ArgumentParser
import Flow

/// Memory against time.
struct MemoryOptions: ParsableArguments {
    @Option(
        help: """
            Which steps run a second time on the way back, to spare memory: none, steps (all of them), or auto, as \
            little of them as fits. auto by default. [RECTIFID_RECOMPUTE]
            """)
    var recompute: Mode?

    @Option(
        help: """
            What auto may fill, 6GiB for instance; nine tenths of what the process may take by default. \
            [RECTIFID_MEMORY]
            """)
    var memory: MemorySize?

    enum Mode: String, ExpressibleByArgument, CaseIterable { case auto, none, steps }

    mutating func validate() throws {
        recompute = try EnvironmentValue.value(recompute, "recompute")
        memory = try EnvironmentValue.value(memory, "memory")
        if memory != nil, let recompute, recompute != .auto {
            throw ValidationError("--memory is for --recompute auto; it says nothing with \(recompute.rawValue)")
        }
    }

    var plan: Recompute {
        switch recompute ?? .auto {
        case .none: .none
        case .steps: .steps
        case .auto: memory.map { .fitting(process: $0.bytes) } ?? .standard
        }
    }
}
