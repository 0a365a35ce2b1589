internal import Synchronization

/// Where the time of a computation goes: how often each kind of operation ran, how long, and how much it multiplied.
///
/// Operations report to the profile of the current task, see ``CPU/profile``; without one they cost nothing.
public final class OperationProfile: Sendable {
    /// What one kind of operation came to.
    public struct Entry: Sendable, Hashable {
        public var count = 0
        public var seconds = 0.0
        /// Multiplications and additions.
        public var operations = 0.0
    }

    private let kinds = Mutex<[String: Entry]>([:])

    public init() {}

    /// All kinds so far, by name.
    public var entries: [String: Entry] { kinds.withLock { $0 } }

    /// Multiplications and additions of all kinds together.
    public var operations: Double { kinds.withLock { $0.values.reduce(0) { $0 + $1.operations } } }

    func add(_ kind: String, _ time: Duration, operations: Double) {
        kinds.withLock { kinds in
            kinds[kind, default: Entry()].count += 1
            kinds[kind, default: Entry()].seconds +=
                Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
            kinds[kind, default: Entry()].operations += operations
        }
    }
}

extension CPU {
    /// Runs an operation and reports it, where there is a profile to report to.
    func profiled<Result>(
        _ kind: String, operations: Double = 0, _ body: () throws(TensorError) -> Result
    ) throws(TensorError) -> Result {
        guard let profile = CPU.profile else { return try body() }
        let start = ContinuousClock.now
        let result = try body()
        profile.add(kind, ContinuousClock.now - start, operations: operations)
        return result
    }
}
