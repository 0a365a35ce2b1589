public import Tensors

/// Matrix products and convolutions. Weights are frozen: derivatives go to inputs only.
extension Variable {
    /// x W^T + b for `[.., I]`, weights `[O, I]`, bias `[O]`; the record keeps only the weights.
    ///
    /// - Parameter result: The format of the result; the derivative is in the format of this variable.
    /// - Returns: `[.., O]`.
    public func linear(
        _ weights: any Matrix, bias: Tensor? = nil, result: Precision = .float32
    ) throws(TensorError) -> Variable {
        guard shape.rank > 0, shape[-1] == weights.shape[1] else {
            throw .mismatch("linear", shape, weights.shape, "the innermost extent must be the number of inputs")
        }
        guard bias.map({ $0.shape == [weights.shape[0]] }) ?? true else {
            throw .mismatch("linear bias", bias?.shape ?? [], weights.shape, "one bias per output is needed")
        }
        let precision = tensor.precision
        return mapped(try device.linear(tensor, weights, bias: bias, result: result)) { (dy) throws(TensorError) in
            try dy.device.linearInputGradient(dy, weights, result: precision)
        }
    }

    /// Batched matrix product of `[.., M, K]` and `[.., K, N]`; leading extents are equal, or the second has none.
    ///
    /// - Returns: `[.., M, N]`.
    public func product(_ other: Variable) throws(TensorError) -> Variable {
        guard shape.rank >= 2, other.shape.rank >= 2, shape[-1] == other.shape[-2] else {
            throw .mismatch("product", shape, other.shape, "columns of the first must be rows of the second")
        }
        let leading = Array(shape.array.dropLast(2))
        let (m, k, n) = (shape[-2], shape[-1], other.shape[-1])
        let flattened = other.shape.rank == 2 && !leading.isEmpty
        guard flattened || leading == Array(other.shape.array.dropLast(2)) else {
            throw .mismatch("product", shape, other.shape, "leading extents differ")
        }
        let batch = flattened ? 1 : leading.reduce(1, *)
        let rows = flattened ? leading.reduce(1, *) * m : m
        let a = try tensor.reshaped([batch, rows, k]), b = try other.tensor.reshaped([batch, k, n])
        let value = try device.product(a, transposed: false, b, transposed: false)
        let (shapeA, shapeB, tracksA, tracksB) = (shape, other.shape, isTracked, other.isTracked)
        return Variable.result(try value.reshaped(try Shape(leading + [m, n])), of: [self, other]) {
            (dy) throws(TensorError) in
            let dy = try dy.reshaped([batch, rows, n])
            var gradients: [Tensor] = []
            if tracksA {
                gradients.append(try dy.device.product(dy, transposed: false, b, transposed: true).reshaped(shapeA))
            }
            if tracksB {
                gradients.append(try dy.device.product(a, transposed: true, dy, transposed: false).reshaped(shapeB))
            }
            return gradients
        }
    }

    /// Convolution of `[N, H, W, I]` with a filter `[O, kernel height, kernel width, I / groups]`, bias `[O]`.
    ///
    /// The record keeps the filter and the input's shape, not the input.
    ///
    /// - Parameter result: The format of the result; the derivative is in the format of this variable.
    /// - Returns: `[N, H', W', O]`.
    public func convolved(
        _ filter: any Filter, bias: Tensor? = nil, _ window: Window = Window(), result: Precision = .float32
    ) throws(TensorError) -> Variable {
        guard shape.rank == 4, window.groups > 0, shape[3] == filter.shape[3] * window.groups,
            filter.shape[0] % window.groups == 0
        else {
            throw .mismatch(
                "convolve", shape, filter.shape, "[N, H, W, I] and [O, kh, kw, I / groups], groups \(window.groups)")
        }
        guard
            window.outputSize(
                height: shape[1], width: shape[2], kernelHeight: filter.shape[1], kernelWidth: filter.shape[2]) != nil
        else { throw .mismatch("convolve", shape, filter.shape, "the kernel does not fit the padded picture") }
        guard bias.map({ $0.shape == [filter.shape[0]] }) ?? true else {
            throw .mismatch("convolve bias", bias?.shape ?? [], filter.shape, "one bias per output channel is needed")
        }
        let (input, precision) = (shape, tensor.precision)
        let value = try device.convolve(tensor, filter, bias: bias, window, result: result)
        return mapped(value) { (dy) throws(TensorError) in
            try dy.device.convolveInputGradient(dy, filter, window, input: input, result: precision)
        }
    }

    /// Scaled dot-product attention with this variable as queries `[N, T, heads * D]` over keys and values
    /// `[N, S, heads * D]`; never holds the scores whole.
    ///
    /// - Parameters:
    ///   - heads: Divides the innermost extent.
    ///   - causal: Hides later positions, for text.
    /// - Returns: `[N, T, heads * D]`.
    public func attending(
        keys: Variable, values: Variable, heads: Int, causal: Bool = false
    ) throws(TensorError) -> Variable {
        guard shape.rank == 3, keys.shape == values.shape, keys.shape.rank == 3, keys.shape[0] == shape[0],
            keys.shape[2] == shape[2], heads > 0, shape[2] % heads == 0, keys.shape[1] > 0
        else {
            throw .mismatch(
                "attention", shape, keys.shape, "[N, T, C] and [N, S, C] with C divisible by \(heads) heads")
        }
        let (q, k, v) = (tensor, keys.tensor, values.tensor)
        // An element takes two products per key, one of a linear map as many as the map has inputs.
        let (output, lse) = try costly(if: 2 * keys.shape[1] > shape[2]) { () throws(TensorError) in
            let (output, lse) = try device.attention(q, k, v, heads: heads, causal: causal)
            return (output, lse)
        }
        let tracked = (isTracked, keys.isTracked, values.isTracked)
        return Variable.result(output, of: [self, keys, values]) { (dy) throws(TensorError) in
            let slope = try dy.device.attentionGradient(
                q, k, v, output: output, logSumExp: lse, dy, heads: heads, causal: causal,
                keysAndValues: tracked.1 || tracked.2)
            var gradients: [Tensor] = []
            if tracked.0 { gradients.append(slope.q) }
            if tracked.1, let k = slope.k { gradients.append(k) }
            if tracked.2, let v = slope.v { gradients.append(v) }
            return gradients
        }
    }
}
