/// Seconds spent in each phase of a job; one per job, on the job's thread.
final class PhaseClock {
    enum Phase: String, CaseIterable {
        case prompt, references, network, decoder, discriminator, gradient
    }

    private let clock = ContinuousClock()
    private var spent: [Phase: (duration: Duration, count: Int)] = [:]

    /// Runs `body` and adds its time to a phase.
    func measure<Result>(_ phase: Phase, _ body: () throws -> Result) rethrows -> Result {
        let start = clock.now
        defer { add(phase, clock.now - start) }
        return try body()
    }

    /// Runs `body` and adds to a phase the time that no other phase claimed meanwhile.
    func measureRest<Result>(_ phase: Phase, _ body: () throws -> Result) rethrows -> Result {
        let start = clock.now, claimed = total
        defer { add(phase, clock.now - start - (total - claimed)) }
        return try body()
    }

    private var total: Duration { spent.values.reduce(.zero) { $0 + $1.duration } }

    private func add(_ phase: Phase, _ duration: Duration) {
        let known = spent[phase] ?? (.zero, 0)
        spent[phase] = (known.duration + duration, known.count + 1)
    }

    /// Phases that occurred, in the order of a job.
    var timings: [PhaseTiming] {
        Phase.allCases.compactMap { phase in
            spent[phase].map { PhaseTiming(phase: phase.rawValue, seconds: $0.duration / .seconds(1), count: $0.count) }
        }
    }
}

/// How long a phase of a job took, all its occurrences together.
public struct PhaseTiming: Sendable, Hashable {
    /// `prompt`, `references`, `network` (forward), `decoder` (forward), `discriminator` (forward) or `gradient`.
    public let phase: String
    public let seconds: Double
    public let count: Int
}
