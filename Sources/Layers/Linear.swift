public import Autodiff
public import Tensors

/// y = x W^T + b over the innermost axis.
public struct Linear: Sendable {
    /// `[outputs, inputs]`, as the device keeps it.
    public let weight: any Matrix
    /// `[outputs]`.
    public let bias: Tensor?

    /// - Parameters:
    ///   - weight: `[outputs, inputs]`; trailing extents of 1, as of a 1 x 1 convolution, may follow.
    ///   - bias: `[outputs]`.
    ///   - precision: Of the products.
    /// - Throws: ``TensorError`` where the shapes do not fit.
    public init(weight: LayerWeights, bias: Tensor?, precision: Precision = .float32) throws(TensorError) {
        guard weight.shape.rank >= 2, weight.shape[0] * weight.shape[1] == weight.shape.count,
            bias.map({ $0.shape == [weight.shape[0]] }) ?? true
        else {
            throw .mismatch("linear", weight.shape, bias?.shape ?? [], "[outputs, inputs] and [outputs] are needed")
        }
        let matrix = try weight.reshaped([weight.shape[0], weight.shape[1]])
        self.weight = try weight.device.matrix(matrix, precision)
        self.bias = bias
    }

    /// The same with weights that are in memory.
    public init(weight: Tensor, bias: Tensor?, precision: Precision = .float32) throws(TensorError) {
        try self.init(weight: LayerWeights(weight), bias: bias, precision: precision)
    }

    /// `[.., inputs]` to `[.., outputs]`, in the format of `result`.
    public func callAsFunction(_ x: Variable, result: Precision = .float32) throws(TensorError) -> Variable {
        try x.linear(weight, bias: bias, result: result)
    }
}
