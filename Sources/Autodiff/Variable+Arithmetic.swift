public import Tensors

/// Arithmetic, with NumPy's broadcasting, and sums.
extension Variable {
    /// Sum, element by element; in the memory of this variable where nobody else holds it.
    public consuming func adding(_ other: Variable) throws(TensorError) -> Variable {
        if shape == other.shape {
            try tensor.add(other.tensor)
            return try combine(other, tensor, { (dy) in dy }, { (dy) in dy })
        }
        let (a, b, result) = try aligned(with: other, "add")
        let value = try device.binary(.add, a, b, result: result)
        return try combine(other, value, { (dy) in dy }, { (dy) in dy })
    }

    /// Difference, element by element.
    public func subtracting(_ other: Variable) throws(TensorError) -> Variable {
        let (a, b, result) = try aligned(with: other, "subtract")
        let value = try device.binary(.subtract, a, b, result: result)
        return try combine(
            other, value, { (dy) in dy },
            { (dy) throws(TensorError) in try dy.device.affine(dy, scale: -1, shift: 0) })
    }

    /// Product, element by element.
    public func multiplied(by other: Variable) throws(TensorError) -> Variable {
        let (a, b, result) = try aligned(with: other, "multiply")
        let value = try device.binary(.multiply, a, b, result: result)
        return try combine(
            other, value,
            { (dy) throws(TensorError) in try dy.device.binary(.multiply, dy, b, result: dy.shape) },
            { (dy) throws(TensorError) in try dy.device.binary(.multiply, dy, a, result: dy.shape) })
    }

    /// Quotient, element by element.
    public func divided(by other: Variable) throws(TensorError) -> Variable {
        let (a, b, result) = try aligned(with: other, "divide")
        let value = try device.binary(.divide, a, b, result: result)
        return try combine(
            other, value,
            { (dy) throws(TensorError) in try dy.device.binary(.divide, dy, b, result: dy.shape) },
            { (dy) throws(TensorError) in
                // d(a / b)/db = -(a / b) / b
                let slope = try dy.device.binary(.divide, value, b, result: dy.shape)
                let product = try dy.device.binary(.multiply, dy, slope, result: dy.shape)
                return try dy.device.affine(product, scale: -1, shift: 0)
            })
    }

    /// scale * x + shift.
    public func scaled(by scale: Float, plus shift: Float = 0) throws(TensorError) -> Variable {
        mapped(try device.affine(tensor, scale: scale, shift: shift)) { (dy) throws(TensorError) in
            try dy.device.affine(dy, scale: scale, shift: 0)
        }
    }

    /// min(max(x, low), high); the gradient passes at the bounds, as in PyTorch.
    public func clamped(_ low: Float, _ high: Float) throws(TensorError) -> Variable {
        let x = tensor
        return mapped(try device.clamp(x, low: low, high: high)) { (dy) throws(TensorError) in
            try dy.device.clampGradient(x, dy, low: low, high: high)
        }
    }

    /// |x|, whose derivative at 0 is 0.
    public func absolute() throws(TensorError) -> Variable {
        let x = tensor
        return mapped(try device.absolute(x)) { (dy) throws(TensorError) in try dy.device.absoluteGradient(x, dy) }
    }

    /// Sum over the given axes (all of them by default), which stay with extent 1 unless all are summed.
    ///
    /// - Returns: Shape `[]` without axes, otherwise the rank of `x`.
    public func sum(over axes: [Int]? = nil) throws(TensorError) -> Variable {
        let shape = shape
        var reduced = shape.array
        for axis in axes ?? Array(0..<shape.rank) {
            let index = axis < 0 ? axis + shape.rank : axis
            guard reduced.indices.contains(index) else {
                throw TensorError("sum", "axis \(axis) of shape \(shape), which has \(shape.rank) axes")
            }
            reduced[index] = 1
        }
        let kept = try Shape(reduced)
        let result: Shape = axes == nil ? [] : kept
        let value = try device.sum(tensor, to: kept).reshaped(result)
        return mapped(value) { (dy) throws(TensorError) in
            let zero = try Tensor(repeating: 0, shape: kept)
            return try dy.device.binary(.add, try dy.reshaped(kept), zero, result: shape)
        }
    }

    /// Mean over the given axes (all of them by default), which stay with extent 1 unless all are averaged.
    public func mean(over axes: [Int]? = nil) throws(TensorError) -> Variable {
        let total = try sum(over: axes)
        guard shape.count > 0 else { throw TensorError("mean", "shape \(shape) is empty") }
        return try total.scaled(by: Float(total.shape.count) / Float(shape.count))
    }

    /// Cosine of the angle between two tensors of the same count, taken as vectors; shape `[]`.
    ///
    /// The inner product over the product of the norms. Norms below 1e-8 count as 1e-8 (PyTorch's `cosine_similarity`).
    public func cosine(with other: Variable) throws(TensorError) -> Variable {
        guard shape.count == other.shape.count else {
            throw .mismatch("cosine", shape, other.shape, "element counts differ")
        }
        let a = tensor, b = try other.tensor.reshaped(shape)
        let normA = max(device.dot(a, a).squareRoot(), 1e-8), normB = max(device.dot(b, b).squareRoot(), 1e-8)
        let cosine = device.dot(a, b) / (normA * normB)
        // d cos / da = b / (|a| |b|) - cos a / |a|^2
        func slope(_ x: Tensor, _ y: Tensor, _ normX: Double, _ normY: Double) -> Pullback {
            { (dy) throws(TensorError) in
                let along = try dy.device.affine(y, scale: Float(1 / (normX * normY)), shift: 0)
                let across = try dy.device.affine(x, scale: Float(cosine / (normX * normX)), shift: 0)
                let direction = try dy.device.binary(.subtract, along, across, result: x.shape)
                return [try dy.device.affine(direction, scale: try dy.number(), shift: 0)]
            }
        }
        let (first, second) = (slope(a, b, normA, normB), slope(b, a, normB, normA))
        let (isTracked, otherShape) = (isTracked, other.shape)
        let otherTracked = other.isTracked
        return Variable.result(try Tensor(Float(cosine)), of: [self, other]) { (dy) throws(TensorError) in
            var gradients: [Tensor] = []
            if isTracked { gradients += try first(dy) }
            if otherTracked { gradients.append(try second(dy)[0].reshaped(otherShape)) }
            return gradients
        }
    }
}

extension Variable {
    /// Both operands with the rank of the result, extents of 1 where they are broadcast.
    private func aligned(
        with other: Variable, _ operation: String
    ) throws(TensorError) -> (Tensor, Tensor, Shape) {
        if shape == other.shape { return (tensor, other.tensor, shape) }
        let rank = max(shape.rank, other.shape.rank)
        func padded(_ shape: Shape) -> [Int] { [Int](repeating: 1, count: rank - shape.rank) + shape.array }
        let (a, b) = (padded(shape), padded(other.shape))
        var result: [Int] = []
        for (x, y) in zip(a, b) {
            guard x == y || x == 1 || y == 1 else {
                throw .mismatch(operation, shape, other.shape, "extents must be equal or 1")
            }
            result.append(x == 1 ? y : x)
        }
        return (try tensor.reshaped(try Shape(a)), try other.tensor.reshaped(try Shape(b)), try Shape(result))
    }

    /// Records an operation of two operands; each derivative is summed back over the axes that were broadcast.
    private func combine(
        _ other: Variable, _ value: Tensor,
        _ first: @escaping (Tensor) throws(TensorError) -> Tensor,
        _ second: @escaping (Tensor) throws(TensorError) -> Tensor
    ) throws(TensorError) -> Variable {
        let (tracksA, tracksB, shapeA, shapeB) = (isTracked, other.isTracked, shape, other.shape)
        return Variable.result(value, of: [self, other]) { (dy) throws(TensorError) in
            var gradients: [Tensor] = []
            if tracksA { gradients.append(try Variable.reduced(try first(dy), to: shapeA)) }
            if tracksB { gradients.append(try Variable.reduced(try second(dy), to: shapeB)) }
            return gradients
        }
    }

    private static func reduced(_ gradient: Tensor, to shape: Shape) throws(TensorError) -> Tensor {
        if gradient.shape == shape { return gradient }
        let padded = try Shape([Int](repeating: 1, count: gradient.shape.rank - shape.rank) + shape.array)
        return try gradient.device.sum(gradient, to: padded).reshaped(shape)
    }
}
