public import Autodiff
public import Tensors

/// Group normalisation (Wu and He 2018, arXiv 1803.08494), followed by SiLU where asked.
public struct GroupNorm: Sendable {
    public let groups: Int
    /// `[C]`.
    public let weight: Tensor
    /// `[C]`.
    public let bias: Tensor
    public let epsilon: Float
    /// Whether x sigmoid(x) follows; done in the same pass over memory.
    public let silu: Bool
    /// The format of the result.
    public let precision: Precision

    /// - Throws: ``TensorError`` where the groups do not divide the channels or the shapes differ.
    public init(
        groups: Int, weight: Tensor, bias: Tensor, epsilon: Float, silu: Bool = false, precision: Precision = .float32
    ) throws(TensorError) {
        guard weight.shape.rank == 1, weight.shape == bias.shape, groups > 0, weight.shape[0] % groups == 0 else {
            throw .mismatch("group norm", weight.shape, bias.shape, "\(groups) groups must divide the channels")
        }
        (self.groups, self.weight, self.bias, self.epsilon, self.silu) = (groups, weight, bias, epsilon, silu)
        self.precision = precision
    }

    /// `[N, .., C]` to the same shape.
    public func callAsFunction(_ x: Variable) throws(TensorError) -> Variable {
        try x.groupNormalized(
            groups: groups, weight: weight, bias: bias, epsilon: epsilon, silu: silu, result: precision)
    }
}

/// Layer normalisation over the innermost axis (Ba, Kiros and Hinton 2016, arXiv 1607.06450).
public struct LayerNorm: Sendable {
    /// `[C]`.
    public let weight: Tensor
    /// `[C]`.
    public let bias: Tensor
    public let epsilon: Float
    /// The format of the result.
    public let precision: Precision

    /// - Throws: ``TensorError`` where the shapes differ.
    public init(
        weight: Tensor, bias: Tensor, epsilon: Float, precision: Precision = .float32
    ) throws(TensorError) {
        guard weight.shape.rank == 1, weight.shape == bias.shape else {
            throw .mismatch("layer norm", weight.shape, bias.shape, "one weight and bias per channel are needed")
        }
        (self.weight, self.bias, self.epsilon, self.precision) = (weight, bias, epsilon, precision)
    }

    /// `[.., C]` to the same shape.
    public func callAsFunction(_ x: Variable) throws(TensorError) -> Variable {
        try x.layerNormalized(weight: weight, bias: bias, epsilon: epsilon, result: precision)
    }
}
