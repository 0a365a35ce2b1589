public import Autodiff
public import Tensors

/// Two linear maps with a gated unit between them (GEGLU, Shazeer 2020, arXiv 2002.05202).
public struct GatedFeedForward: Sendable {
    let widen, narrow: Linear

    /// - Parameters:
    ///   - widen: `[2 * inner, C]`.
    ///   - narrow: `[C, inner]`.
    /// - Throws: ``TensorError`` where they do not fit.
    public init(widen: Linear, narrow: Linear) throws(TensorError) {
        guard widen.weight.shape[0] == 2 * narrow.weight.shape[1] else {
            throw .mismatch("feed forward", widen.weight.shape, narrow.weight.shape, "[2 I, C] and [C, I] are needed")
        }
        (self.widen, self.narrow) = (widen, narrow)
    }

    /// `[.., C]` to the same shape.
    public func callAsFunction(_ x: Variable) throws(TensorError) -> Variable { try narrowed(try gated(x)) }

    /// Up to the gated unit, `[.., C]` to `[.., inner]`.
    public func gated(_ x: Variable) throws(TensorError) -> Variable {
        try widen(x, result: x.tensor.precision).geglu()
    }

    /// From the gated unit on, `[.., inner]` to `[.., C]`; its derivative needs no number of the way there.
    public func narrowed(_ x: Variable) throws(TensorError) -> Variable { try narrow(x) }
}

/// Two linear maps with a pointwise non-linearity between them.
public struct FeedForward: Sendable {
    let first, second: Linear
    public let activation: Activation

    public init(first: Linear, activation: Activation, second: Linear) {
        (self.first, self.activation, self.second) = (first, activation, second)
    }

    /// `[.., inputs]` to `[.., outputs]`.
    public func callAsFunction(_ x: Variable) throws(TensorError) -> Variable {
        try second(try first(x).activated(activation))
    }
}
