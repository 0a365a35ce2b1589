public import Tensors

/// Normalisations with frozen weights.
extension Variable {
    /// Group normalisation (Wu and He 2018) of `[N, .., C]`, then SiLU if asked; both in one pass.
    ///
    /// - Parameters:
    ///   - weight: `[C]`.
    ///   - bias: `[C]`.
    ///   - result: The format of the result; the derivative is in the format of this variable.
    public func groupNormalized(
        groups: Int, weight: Tensor, bias: Tensor, epsilon: Float, silu: Bool = false, result: Precision = .float32
    ) throws(TensorError) -> Variable {
        guard shape.rank >= 2, groups > 0, shape[-1] % groups == 0, weight.shape == [shape[-1]],
            bias.shape == weight.shape, shape.count > 0
        else { throw .mismatch("group norm", shape, weight.shape, "\(groups) groups must divide the channels") }
        let (y, statistics) = try device.groupNorm(
            tensor, groups: groups, weight: weight, bias: bias, epsilon: epsilon, silu: silu, result: result)
        let (x, precision) = (try recorded(asFor: result), tensor.precision)
        return mapped(y) { (dy) throws(TensorError) in
            try dy.device.groupNormGradient(
                x, statistics: statistics, groups: groups, weight: weight, bias: bias, silu: silu, dy,
                result: precision)
        }
    }

    /// Layer normalisation over the innermost axis; weight and bias `[C]`.
    ///
    /// - Parameter result: The format of the result; the derivative is in the format of this variable.
    public func layerNormalized(
        weight: Tensor, bias: Tensor, epsilon: Float, result: Precision = .float32
    ) throws(TensorError) -> Variable {
        guard shape.rank >= 1, shape[-1] > 0, weight.shape == [shape[-1]], bias.shape == weight.shape else {
            throw .mismatch("layer norm", shape, weight.shape, "one weight and bias per channel are needed")
        }
        let (y, statistics) = try device.layerNorm(
            tensor, weight: weight, bias: bias, epsilon: epsilon, result: result)
        let (x, precision) = (try recorded(asFor: result), tensor.precision)
        return mapped(y) { (dy) throws(TensorError) in
            try dy.device.layerNormGradient(x, statistics: statistics, weight: weight, dy, result: precision)
        }
    }

    /// What a record keeps of this variable: 16 bit where that is all that the result has.
    ///
    /// Records of whole steps are the most of a job's memory. The derivative's statistics are those of the exact numbers.
    private func recorded(asFor result: Precision) throws(TensorError) -> Tensor {
        isTracked ? try tensor.converted(to: result == .bfloat16 ? .bfloat16 : tensor.precision) : tensor
    }
}
