public import Tensors

/// Non-linearities.
extension Variable {
    /// A pointwise non-linearity.
    public func activated(_ f: Activation) throws(TensorError) -> Variable {
        let x = tensor
        return mapped(try device.activate(f, x)) { (dy) throws(TensorError) in try dy.device.activateGradient(f, x, dy)
        }
    }

    /// PReLU: x where positive, else slope times x; the slope is per channel `[C]` (innermost axis).
    public func prelu(slope: Tensor) throws(TensorError) -> Variable {
        guard shape.rank > 0, slope.shape == [shape[-1]] else {
            throw .mismatch("prelu", shape, slope.shape, "one slope per channel is needed")
        }
        let x = tensor
        return mapped(try device.prelu(x, slope: slope)) { (dy) throws(TensorError) in
            try dy.device.preluGradient(x, slope: slope, dy)
        }
    }

    /// GEGLU (Shazeer 2020, arXiv 2002.05202): `[.., 2C]` to `[.., C]`, the first half times GELU of the second.
    public func geglu() throws(TensorError) -> Variable {
        guard shape.rank > 0, shape[-1] % 2 == 0 else {
            throw TensorError("geglu", "shape \(shape): the innermost extent must be even")
        }
        let x = tensor
        return mapped(try device.geglu(x)) { (dy) throws(TensorError) in try dy.device.gegluGradient(x, dy) }
    }

    /// Softmax over the innermost axis.
    public func softmax() throws(TensorError) -> Variable {
        guard shape.rank > 0, shape[-1] > 0 else {
            throw TensorError("softmax", "shape \(shape) has no innermost axis")
        }
        let y = try device.softmax(tensor)
        return mapped(y) { (dy) throws(TensorError) in try dy.device.softmaxGradient(y, dy) }
    }
}
