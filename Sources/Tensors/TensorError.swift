/// What a tensor operation refuses: which operation, and what about its operands does not fit.
public struct TensorError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The operation, as the field calls it: `convolve`, `group norm`.
    public let operation: String
    /// What does not fit, with the shapes at hand.
    public let problem: String

    /// Whether memory ran out, which another machine or a smaller request may cure; otherwise the operands do not fit.
    public let isOutOfMemory: Bool

    public init(_ operation: String, _ problem: String) {
        self.init(operation, problem, isOutOfMemory: false)
    }

    init(_ operation: String, _ problem: String, isOutOfMemory: Bool) {
        self.operation = operation
        self.problem = problem
        self.isOutOfMemory = isOutOfMemory
    }

    /// Two operands whose shapes do not go together.
    public static func mismatch(_ operation: String, _ a: Shape, _ b: Shape, _ why: String) -> TensorError {
        TensorError(operation, "shapes \(a) and \(b): \(why)")
    }

    public var description: String { "\(operation): \(problem)" }
}
