internal import CKernels

extension Activation {
    fileprivate var kernel: rectifid_activation {
        switch self {
        case .silu: RECTIFID_SILU
        case .gelu: RECTIFID_GELU
        case .quickGELU: RECTIFID_QUICK_GELU
        case .sigmoid: RECTIFID_SIGMOID
        case .tanh: RECTIFID_TANH
        case .relu: RECTIFID_RELU
        case .exp: RECTIFID_EXP
        case .sqrt: RECTIFID_SQRT
        }
    }
}

extension CPU {
    public func activate(_ f: Activation, _ x: Tensor) throws(TensorError) -> Tensor {
        try profiled("activation", of: [x]) { () throws(TensorError) in
            let kernel = f.kernel, x = try x.widened()
            return try pointwise(x, "\(f)") { part, out in
                rectifid_activate(kernel, x.pointer + part.lowerBound, out, part.count)
            }
        }
    }

    public func activateGradient(_ f: Activation, _ x: Tensor, _ dy: Tensor) throws(TensorError) -> Tensor {
        try profiled("activation gradient", of: [x, dy]) { () throws(TensorError) in
            let kernel = f.kernel, x = try x.widened(), dy = try dy.widened()
            return try pointwise(x, "\(f) gradient") { part, out in
                rectifid_activate_gradient(
                    kernel, x.pointer + part.lowerBound, dy.pointer + part.lowerBound, out, part.count)
            }
        }
    }

    public func prelu(_ x: Tensor, slope: Tensor) throws(TensorError) -> Tensor {
        let c = slope.shape.count, x = try x.widened()
        return try rowwise(x.shape, x.shape, "prelu") { part, out in
            rectifid_prelu(x.pointer + part.lowerBound * c, slope.pointer, out + part.lowerBound * c, part.count, c)
        }
    }

    public func preluGradient(_ x: Tensor, slope: Tensor, _ dy: Tensor) throws(TensorError) -> Tensor {
        let c = slope.shape.count, x = try x.widened(), dy = try dy.widened()
        return try rowwise(x.shape, x.shape, "prelu gradient") { part, out in
            let first = part.lowerBound * c
            rectifid_prelu_gradient(x.pointer + first, slope.pointer, dy.pointer + first, out + first, part.count, c)
        }
    }

    public func geglu(_ x: Tensor) throws(TensorError) -> Tensor {
        try profiled("geglu", of: [x]) { () throws(TensorError) in
            let c = x.shape[-1] / 2, size = x.precision.byteCount
            let shape = try x.shape.replacing(axis: -1, with: c)
            return try Tensor.building(shape, x.precision, "geglu") { out in
                split(shape.rows, grain: max(1, CPU.elementGrain / max(1, 2 * c))) { part in
                    let first = part.lowerBound * c * size
                    rectifid_geglu(x.bytes + 2 * first, out + first, x.precision.format, part.count, c)
                }
            }
        }
    }

    public func gegluGradient(_ x: Tensor, _ dy: Tensor) throws(TensorError) -> Tensor {
        try profiled("geglu gradient", of: [x, dy]) { () throws(TensorError) in
            let c = x.shape[-1] / 2, size = x.precision.byteCount
            return try Tensor.building(x.shape, x.precision, "geglu gradient") { out in
                split(x.shape.rows, grain: max(1, CPU.elementGrain / max(1, 2 * c))) { part in
                    let first = part.lowerBound * c
                    rectifid_geglu_gradient(
                        x.bytes + 2 * first * size, dy.bytes + first * dy.precision.byteCount, dy.precision.format,
                        out + 2 * first * size, x.precision.format, part.count, c)
                }
            }
        }
    }

    public func softmax(_ x: Tensor) throws(TensorError) -> Tensor {
        let c = x.shape[-1], x = try x.widened()
        return try rowwise(x.shape, x.shape, "softmax") { part, out in
            let row = out + part.lowerBound * c
            row.update(from: x.pointer + part.lowerBound * c, count: part.count * c)
            rectifid_softmax(row, 1, nil, part.count, c)
        }
    }

    public func softmaxGradient(_ y: Tensor, _ dy: Tensor) throws(TensorError) -> Tensor {
        let c = y.shape[-1], y = try y.widened(), dy = try dy.widened()
        return try rowwise(y.shape, y.shape, "softmax gradient") { part, out in
            for row in part {
                let first = row * c
                var delta = Float(rectifid_dot(y.pointer + first, dy.pointer + first, c))
                (out + first).update(from: dy.pointer + first, count: c)
                rectifid_softmax_gradient(y.pointer + first, out + first, &delta, 1, 1, c)
            }
        }
    }

    /// A result written by ranges of rows of an operand of shape `operand`.
    func rowwise(
        _ operand: Shape, _ result: Shape, _ operation: String,
        _ body: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
    ) throws(TensorError) -> Tensor {
        try Tensor.building(result, operation) { out in
            guard operand.count > 0 else { return }
            split(operand.rows, grain: max(1, CPU.elementGrain / max(1, operand[-1]))) { part in body(part, out) }
        }
    }
}
