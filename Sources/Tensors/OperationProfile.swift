internal import Synchronization

/// Where the time of a computation goes: how often each kind of operation ran, how long, and how much it multiplied.
///
/// Operations report to the profile of the current task, see ``CPU/profile``; without one they cost nothing.
public final class OperationProfile: Sendable {
    /// What one kind of operation came to.
    public struct Entry: Sendable, Hashable {
        public var count = 0
        public var seconds = 0.0
        /// Multiplications and additions; of a convolution those of the plain algorithm.
        public var operations = 0.0
        /// What must be read and written at least, with nothing left in a cache.
        public var bytes = 0.0
    }

    /// What calls of one operation on operands of one shape came to.
    public struct CallEntry: Sendable {
        public var count = 0
        /// Multiplications and additions, and bytes as in ``Entry``, of one call.
        public let operations, bytes: Double
        /// Of a call that is made several times in a row.
        public let seconds: [Double]
    }

    private struct State {
        var kinds: [String: Entry] = [:]
        var calls: [OperationCall: CallEntry] = [:]
    }

    /// How often the first call of each shape is made again, for its time alone.
    let repetitions: Int
    private let state = Mutex(State())

    /// - Parameter repetitions: How often the first call of each shape is made again, for its time alone; 0 for a profile of
    ///   kinds only. Operations change nothing, so that this does no harm but takes time.
    public init(repetitions: Int = 0) { self.repetitions = repetitions }

    /// All kinds so far, by name.
    public var entries: [String: Entry] { state.withLock { $0.kinds } }

    /// All calls so far, by shape; empty without repetitions.
    public var calls: [OperationCall: CallEntry] { state.withLock { $0.calls } }

    /// Multiplications and additions of all kinds together.
    public var operations: Double { entries.values.reduce(0) { $0 + $1.operations } }

    fileprivate func add(_ kind: String, _ seconds: Double, operations: Double, bytes: Double) {
        state.withLock { state in
            state.kinds[kind, default: Entry()].count += 1
            state.kinds[kind, default: Entry()].seconds += seconds
            state.kinds[kind, default: Entry()].operations += operations
            state.kinds[kind, default: Entry()].bytes += bytes
        }
    }

    /// Counts a call; false where it is the first of its shape.
    fileprivate func isKnown(_ call: OperationCall) -> Bool {
        state.withLock { state in
            state.calls[call]?.count += 1
            return state.calls[call] != nil
        }
    }

    fileprivate func add(_ call: OperationCall, _ entry: CallEntry) {
        state.withLock { $0.calls[call] = entry }
    }
}

/// An operation and what tells its calls apart: two of the same take the same time.
public struct OperationCall: Sendable, Hashable {
    /// As in ``OperationProfile/entries``.
    public let kind: String
    /// Shapes of the operands, then of the weights, in words.
    public let shapes: String
    /// What products are computed in; of other operations the format of the first operand.
    public let precision: Precision

    fileprivate init(_ kind: String, _ operands: [Tensor], _ weights: OperationWeights?, _ note: String) {
        self.kind = kind
        precision = weights?.precision ?? operands.first?.precision ?? .float32
        // Of a linear map nothing counts but the rows.
        let isLinear = kind.hasPrefix("linear")
        let shapes = operands.map { operand in
            let x = operand.shape
            return isLinear ? "\(x.rows) x \(x[-1])" : x.array.map(String.init).joined(separator: " x ")
        }
        // Equal ones, as a sum's, are told once.
        var words = [shapes.first ?? ""]
        for shape in shapes.dropFirst() where shape != words[words.count - 1] { words.append(shape) }
        if let weights { words.append("by " + weights.shape.array.map(String.init).joined(separator: " x ")) }
        if !note.isEmpty { words.append(note) }
        self.shapes = words.joined(separator: ", ").replacing(", by", with: " by")
    }
}

/// Weights of an operation, for its report.
struct OperationWeights {
    let shape: Shape
    let precision: Precision

    var bytes: Int { shape.count * precision.byteCount }
}

extension CPU {
    /// Runs an operation and reports it, where there is a profile to report to.
    ///
    /// - Parameters:
    ///   - operations: Multiplications and additions.
    ///   - operands: What it reads besides the weights.
    ///   - note: What else its time hangs on.
    func profiled<Result>(
        _ kind: String, operations: Double = 0, of operands: @autoclosure () -> [Tensor],
        by weights: @autoclosure () -> OperationWeights? = nil, note: @autoclosure () -> String = "",
        _ body: () throws(TensorError) -> Result
    ) throws(TensorError) -> Result {
        guard let profile = CPU.profile else { return try body() }
        let start = ContinuousClock.now
        let result = try body()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let (operands, weights) = (operands(), weights())
        let bytes = operands.reduce(bytesOfTensors(in: result) + (weights?.bytes ?? 0)) { $0 + $1.byteCount }
        profile.add(kind, seconds, operations: operations, bytes: Double(bytes))
        guard profile.repetitions > 0 else { return result }
        let call = OperationCall(kind, operands, weights, note())
        if !profile.isKnown(call) {
            let times = try repeated(profile.repetitions, body)
            profile.add(
                call,
                OperationProfile.CallEntry(count: 1, operations: operations, bytes: Double(bytes), seconds: times))
        }
        return result
    }

    /// Seconds of each of several runs, which nobody is told of.
    private func repeated<Result>(
        _ count: Int, _ body: () throws(TensorError) -> Result
    ) throws(TensorError) -> [Double] {
        var times: [Double] = []
        var failure: TensorError?
        CPU.$profile.withValue(nil) {
            do throws(TensorError) {
                for _ in 0..<count {
                    let start = ContinuousClock.now
                    _ = try body()
                    times.append((ContinuousClock.now - start) / .seconds(1))
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return times
    }

    private func bytesOfTensors(in result: Any) -> Int {
        switch result {
        case let tensor as Tensor: tensor.byteCount
        case let pair as (Tensor, Tensor): pair.0.byteCount + pair.1.byteCount
        case let slopes as (Tensor, Tensor?, Tensor?):
            slopes.0.byteCount + (slopes.1?.byteCount ?? 0) + (slopes.2?.byteCount ?? 0)
        default: 0
        }
    }
}

extension Tensor {
    fileprivate var byteCount: Int { shape.count * precision.byteCount }
}
