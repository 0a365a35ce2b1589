public import Autodiff
public import Tensors

/// Classifier-free guidance (Ho and Salimans 2022): negative + scale * (positive - negative).
public struct ClassifierFreeGuidance: Sendable, Hashable {
    /// How far past the negative prompt's output; 1 is the prompt's own output.
    public let scale: Float

    public init(scale: Float) { self.scale = scale }

    /// Whether the negative prompt is evaluated at all: at scales up to 1 the pipelines run the prompt alone.
    public var isActive: Bool { scale > 1 }

    /// The guided output of two outputs of the same shape.
    ///
    /// - Throws: `TensorError` where the shapes differ or memory runs out.
    public func combining(negative: Variable, positive: Variable) throws(TensorError) -> Variable {
        try negative.adding(positive.subtracting(negative).scaled(by: scale))
    }

    /// The guided output at `x` of a network evaluated once, on a batch of twice the size: negative prompt first.
    ///
    /// One call on a batch reads the weights once; two calls need half the memory for activations, and `combining` serves
    /// them. Where guidance is not active the network gets `x` as it is.
    ///
    /// - Parameters:
    ///   - x: The state, [N, H, W, C].
    ///   - network: Takes [2N, H, W, C] (or [N, H, W, C]) and returns the same shape.
    public func batched(_ x: Variable, network: (Variable) throws -> Variable) throws -> Variable {
        guard isActive else { return try network(x) }
        let count = x.shape.rank > 0 ? x.shape[0] : 0
        let both = try network(try Variable.concatenating([x, x], axis: 0))
        let negative = try both.sliced(axis: 0, 0..<count)
        let positive = try both.sliced(axis: 0, count..<2 * count)
        return try combining(negative: negative, positive: positive)
    }
}
