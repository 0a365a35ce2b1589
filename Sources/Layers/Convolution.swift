public import Autodiff
public import Tensors

/// A two-dimensional convolution of pictures `[N, H, W, C]`.
public struct Convolution: Sendable {
    /// `[outputs, kernel height, kernel width, inputs / groups]`, as the device keeps it.
    public let filter: any Filter
    /// `[outputs]`.
    public let bias: Tensor?
    public let window: Window

    /// Takes weights as PyTorch stores them and moves their channels innermost, once.
    ///
    /// - Parameters:
    ///   - weight: `[outputs, inputs / groups, kernel height, kernel width]`.
    ///   - bias: `[outputs]`.
    ///   - window: Strides, borders and groups.
    ///   - precision: Of the products.
    /// - Throws: ``TensorError`` where the shapes do not fit.
    public init(
        weight: LayerWeights, bias: Tensor?, _ window: Window = Window(), precision: Precision = .float32
    ) throws(TensorError) {
        guard weight.shape.rank == 4, bias.map({ $0.shape == [weight.shape[0]] }) ?? true else {
            throw .mismatch("convolution", weight.shape, bias?.shape ?? [], "[O, I, kh, kw] and [O] are needed")
        }
        filter = try weight.device.filter(try weight.transposed([0, 2, 3, 1]), precision, for: window)
        self.bias = bias
        self.window = window
    }

    /// The same with weights that are in memory.
    public init(
        weight: Tensor, bias: Tensor?, _ window: Window = Window(), precision: Precision = .float32
    ) throws(TensorError) {
        try self.init(weight: LayerWeights(weight), bias: bias, window, precision: precision)
    }

    /// `[N, H, W, inputs]` to `[N, H', W', outputs]`.
    ///
    /// - Parameters:
    ///   - shift: `[outputs]`, added to every pixel with the bias, at no cost of its own.
    ///   - result: The format of the result.
    public func callAsFunction(
        _ x: Variable, shift: Tensor? = nil, result: Precision = .float32
    ) throws(TensorError) -> Variable {
        try applied(to: x, window, shift: shift, result: result)
    }

    /// The same weights with another window than their own.
    public func applied(
        to x: Variable, _ window: Window, shift: Tensor? = nil, result: Precision = .float32
    ) throws(TensorError) -> Variable {
        guard let shift else { return try x.convolved(filter, bias: bias, window, result: result) }
        guard let bias else { return try x.convolved(filter, bias: shift, window, result: result) }
        let both = try shift.device.binary(.add, bias, shift, result: shift.shape)
        return try x.convolved(filter, bias: both, window, result: result)
    }
}
