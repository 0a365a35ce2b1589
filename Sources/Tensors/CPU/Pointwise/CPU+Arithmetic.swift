internal import CKernels

extension CPU {
    public func binary(
        _ op: BinaryOperation, _ a: Tensor, _ b: Tensor, result: Shape
    ) throws(TensorError) -> Tensor {
        try profiled("arithmetic", of: [a, b]) { () throws(TensorError) in
            let kernel: rectifid_binary =
                switch op {
                case .add: RECTIFID_ADD
                case .subtract: RECTIFID_SUBTRACT
                case .multiply: RECTIFID_MULTIPLY
                case .divide: RECTIFID_DIVIDE
                }
            if op == .add, a.shape == b.shape, a.precision == .bfloat16, b.precision == .bfloat16 {
                return try addNarrow(a, b)
            }
            let a = try a.widened(), b = try b.widened()
            return try Tensor.building(result, "\(op)") { out in
                if a.shape == result, b.shape == result {
                    split(result.count, grain: CPU.elementGrain) { part in
                        let first = part.lowerBound
                        rectifid_binary_row(kernel, a.pointer + first, 1, b.pointer + first, 1, out + first, part.count)
                    }
                } else {
                    broadcast(kernel, a, b, result, out)
                }
            }
        }
    }

    private func addNarrow(_ a: Tensor, _ b: Tensor) throws(TensorError) -> Tensor {
        try Tensor.building(a.shape, .bfloat16, "add") { out in
            split(a.shape.count, grain: CPU.elementGrain) { part in
                let first = part.lowerBound * Precision.bfloat16.byteCount
                rectifid_add_bfloat16(
                    (a.bytes + first).assumingMemoryBound(to: UInt16.self),
                    (b.bytes + first).assumingMemoryBound(to: UInt16.self),
                    (out + first).assumingMemoryBound(to: UInt16.self), part.count)
            }
        }
    }

    /// Rows of the innermost axis, each operand advancing by its own strides; 0 along an axis of extent 1.
    private func broadcast(
        _ kernel: rectifid_binary, _ a: Tensor, _ b: Tensor, _ result: Shape, _ out: UnsafeMutablePointer<Float>
    ) {
        guard result.count > 0, result.rank > 0 else {
            if result.count > 0 { rectifid_binary_row(kernel, a.pointer, 1, b.pointer, 1, out, 1) }
            return
        }
        func steps(_ shape: Shape) -> [Int] {
            zip(shape.strides, shape.array).map { stride, extent in extent == 1 ? 0 : stride }
        }
        let (stepsA, stepsB, extents) = (steps(a.shape), steps(b.shape), result.array)
        let width = result[-1], last = result.rank - 1
        split(result.rows, grain: max(1, CPU.elementGrain / width)) { part in
            for row in part {
                var rest = row, offsetA = 0, offsetB = 0
                for axis in stride(from: last - 1, through: 0, by: -1) {
                    let index = rest % extents[axis]
                    rest /= extents[axis]
                    offsetA += index * stepsA[axis]
                    offsetB += index * stepsB[axis]
                }
                rectifid_binary_row(
                    kernel, a.pointer + offsetA, stepsA[last], b.pointer + offsetB, stepsB[last], out + row * width,
                    width)
            }
        }
    }

    public func sum(_ x: Tensor, to shape: Shape) throws(TensorError) -> Tensor {
        if shape == x.shape { return x }
        let x = try x.widened()
        if shape.count == 1 {
            return try Tensor(repeating: Float(rectifid_sum(x.pointer, x.shape.count)), shape: shape)
        }
        return try Tensor.building(shape, "sum") { out in
            out.update(repeating: 0, count: shape.count)
            let width = x.shape[-1], kept = shape[-1] == width
            let strides = zip(shape.strides, shape.array).map { stride, extent in extent == 1 ? 0 : stride }
            let extents = x.shape.array
            for row in 0..<x.shape.rows {
                var rest = row, offset = 0
                for axis in stride(from: x.shape.rank - 2, through: 0, by: -1) {
                    offset += rest % extents[axis] * strides[axis]
                    rest /= extents[axis]
                }
                if kept {
                    rectifid_accumulate(x.pointer + row * width, 1, out + offset, width)
                } else {
                    out[offset] += Float(rectifid_sum(x.pointer + row * width, width))
                }
            }
        }
    }

    public func affine(_ x: Tensor, scale: Float, shift: Float) throws(TensorError) -> Tensor {
        try profiled("arithmetic", of: [x]) { () throws(TensorError) in
            let x = try x.widened()
            return try pointwise(x, "affine") { part, out in
                rectifid_affine(x.pointer + part.lowerBound, scale, shift, out, part.count)
            }
        }
    }

    public func clamp(_ x: Tensor, low: Float, high: Float) throws(TensorError) -> Tensor {
        let x = try x.widened()
        return try pointwise(x, "clamp") { part, out in
            rectifid_clamp(x.pointer + part.lowerBound, low, high, out, part.count)
        }
    }

    public func clampGradient(_ x: Tensor, _ dy: Tensor, low: Float, high: Float) throws(TensorError) -> Tensor {
        let x = try x.widened(), dy = try dy.widened()
        return try pointwise(x, "clamp gradient") { part, out in
            rectifid_clamp_gradient(
                x.pointer + part.lowerBound, dy.pointer + part.lowerBound, low, high, out, part.count)
        }
    }

    public func absolute(_ x: Tensor) throws(TensorError) -> Tensor {
        let x = try x.widened()
        return try pointwise(x, "absolute") { part, out in
            rectifid_absolute(x.pointer + part.lowerBound, out, part.count)
        }
    }

    public func absoluteGradient(_ x: Tensor, _ dy: Tensor) throws(TensorError) -> Tensor {
        let x = try x.widened(), dy = try dy.widened()
        return try pointwise(x, "absolute gradient") { part, out in
            rectifid_absolute_gradient(x.pointer + part.lowerBound, dy.pointer + part.lowerBound, out, part.count)
        }
    }

    public func dot(_ a: Tensor, _ b: Tensor) -> Double {
        precondition(a.shape.count == b.shape.count, "dot of \(a.shape) and \(b.shape)")
        let count = a.shape.count
        return a.withElements { a in
            b.withElements { b in
                a.withUnsafeBufferPointer { a in
                    b.withUnsafeBufferPointer { b in
                        guard let a = a.baseAddress, let b = b.baseAddress else { return 0 }
                        return rectifid_dot(a, b, count)
                    }
                }
            }
        }
    }

    /// A result of the shape of `x`, written in parts; the body gets the part and where to write it.
    func pointwise(
        _ x: Tensor, _ operation: String, _ body: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
    ) throws(TensorError) -> Tensor {
        try Tensor.building(x.shape, operation) { out in
            split(x.shape.count, grain: CPU.elementGrain) { part in body(part, out + part.lowerBound) }
        }
    }
}
