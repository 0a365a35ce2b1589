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
        let x = tensor
        let (y, statistics) = try device.groupNorm(
            x, groups: groups, weight: weight, bias: bias, epsilon: epsilon, silu: silu, result: result)
        return mapped(y) { (dy) throws(TensorError) in
            try dy.device.groupNormGradient(
                x, statistics: statistics, groups: groups, weight: weight, bias: bias, silu: silu, dy)
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
        let x = tensor
        let (y, statistics) = try device.layerNorm(
            x, weight: weight, bias: bias, epsilon: epsilon, result: result)
        return mapped(y) { (dy) throws(TensorError) in
            try dy.device.layerNormGradient(x, statistics: statistics, weight: weight, dy)
        }
    }
}
