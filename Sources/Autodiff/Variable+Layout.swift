public import Tensors

/// Moving elements without changing them.
extension Variable {
    /// The same elements under another shape.
    public func reshaped(_ shape: Shape) throws(TensorError) -> Variable {
        let before = self.shape
        return mapped(try tensor.reshaped(shape)) { (dy) throws(TensorError) in try dy.reshaped(before) }
    }

    /// Axes in another order: axis `i` of the result is axis `axes[i]` of this.
    public func transposed(_ axes: [Int]) throws(TensorError) -> Variable {
        guard axes.sorted() == Array(0..<shape.rank) else {
            throw TensorError("transpose", "axes \(axes) are not an order of the \(shape.rank) axes of shape \(shape)")
        }
        if axes == Array(0..<shape.rank) { return self }
        var inverse = axes
        for (to, from) in axes.enumerated() { inverse[from] = to }
        return mapped(try device.transpose(tensor, axes: axes)) { [inverse] (dy) throws(TensorError) in
            try dy.device.transpose(dy, axes: inverse)
        }
    }

    /// Part of an axis.
    public func sliced(axis: Int, _ range: Range<Int>) throws(TensorError) -> Variable {
        let index = axis < 0 ? axis + shape.rank : axis
        guard index >= 0, index < shape.rank, range.lowerBound >= 0, range.upperBound <= shape[index] else {
            throw TensorError("slice", "range \(range) of axis \(axis) of shape \(shape)")
        }
        let whole = shape
        return mapped(try device.slice(tensor, axis: index, range: range)) { (dy) throws(TensorError) in
            try dy.device.embed(dy, in: whole, axis: index, start: range.lowerBound)
        }
    }

    /// Variables one after another along an axis; other extents are equal.
    public static func concatenating(_ parts: [Variable], axis: Int) throws(TensorError) -> Variable {
        guard let first = parts.first else { throw TensorError("concatenate", "nothing to concatenate") }
        let index = axis < 0 ? axis + first.shape.rank : axis
        guard index >= 0, index < first.shape.rank else {
            throw TensorError("concatenate", "axis \(axis) of shape \(first.shape)")
        }
        for part in parts {
            guard part.shape.rank == first.shape.rank,
                try part.shape.replacing(axis: index, with: 0) == (try first.shape.replacing(axis: index, with: 0))
            else { throw .mismatch("concatenate", first.shape, part.shape, "extents off axis \(axis) differ") }
        }
        let extents = parts.map { $0.shape[index] }
        let tracked = parts.map(\.isTracked)
        let value = try first.device.concatenate(parts.map(\.tensor), axis: index)
        return result(value, of: parts) { (dy) throws(TensorError) in
            var gradients: [Tensor] = []
            var start = 0
            for (extent, isTracked) in zip(extents, tracked) {
                if isTracked {
                    gradients.append(try dy.device.slice(dy, axis: index, range: start..<start + extent))
                }
                start += extent
            }
            return gradients
        }
    }
}
