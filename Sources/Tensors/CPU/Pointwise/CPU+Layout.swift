internal import CKernels

extension CPU {
    public func transpose(_ x: Tensor, axes: [Int]) throws(TensorError) -> Tensor {
        let strides = x.shape.strides, x = try x.widened()
        let shape = try Shape(axes.map { x.shape[$0] })
        let steps = axes.map { strides[$0] }
        return try Tensor.building(shape, "transpose") { out in
            guard shape.rank > 1, shape.count > 0 else {
                return rectifid_copy_strided(x.pointer, shape.array, steps, axes.count, out)
            }
            let inner = shape.count / shape[0]
            split(shape[0], grain: max(1, CPU.elementGrain / inner)) { part in
                var extents = shape.array
                extents[0] = part.count
                rectifid_copy_strided(
                    x.pointer + part.lowerBound * steps[0], extents, steps, axes.count, out + part.lowerBound * inner)
            }
        }
    }

    public func slice(_ x: Tensor, axis: Int, range: Range<Int>) throws(TensorError) -> Tensor {
        try profiled("slice", of: [x]) { () throws(TensorError) in
            if axis == 0 { return try x.prefix(range) }
            let strides = x.shape.strides, x = try x.widened()
            let shape = try x.shape.replacing(axis: axis, with: range.count)
            return try Tensor.building(shape, "slice") { out in
                rectifid_copy_strided(
                    x.pointer + range.lowerBound * strides[axis], shape.array, strides, strides.count, out)
            }
        }
    }

    public func embed(_ x: Tensor, in shape: Shape, axis: Int, start: Int) throws(TensorError) -> Tensor {
        try profiled("slice gradient", of: [x]) { () throws(TensorError) in
            let strides = shape.strides, x = try x.widened()
            return try Tensor.building(shape, "embed") { out in
                out.update(repeating: 0, count: shape.count)
                rectifid_add_strided(x.pointer, x.shape.array, strides, strides.count, out + start * strides[axis])
            }
        }
    }

    public func concatenate(_ parts: [Tensor], axis: Int) throws(TensorError) -> Tensor {
        try profiled("concatenate", of: parts) { () throws(TensorError) in
            var wide: [Tensor] = []
            for part in parts { wide.append(try part.widened()) }
            let parts = wide
            let total = parts.reduce(0) { $0 + $1.shape[axis] }
            let shape = try parts[0].shape.replacing(axis: axis, with: total)
            let inner = shape.strides[axis]
            let outer = shape.count / max(1, inner * total)
            return try Tensor.building(shape, "concatenate") { out in
                var start = 0
                for part in parts {
                    let run = part.shape[axis] * inner
                    for index in 0..<outer {
                        (out + index * total * inner + start).update(from: part.pointer + index * run, count: run)
                    }
                    start += run
                }
            }
        }
    }

    public func gather(_ table: Tensor, rows: [Int]) throws(TensorError) -> Tensor {
        guard table.shape.rank == 2, rows.allSatisfy({ $0 >= 0 && $0 < table.shape[0] }) else {
            throw TensorError("gather", "rows \(rows.prefix(8))... of a table of shape \(table.shape)")
        }
        let width = table.shape[1], table = try table.widened()
        return try Tensor.building([rows.count, width], "gather") { out in
            for (index, row) in rows.enumerated() {
                (out + index * width).update(from: table.pointer + row * width, count: width)
            }
        }
    }
}
