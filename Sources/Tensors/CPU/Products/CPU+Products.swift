/// Weights of a linear map, `[outputs, inputs]`, as OpenBLAS takes them.
struct BLASMatrix: Matrix {
    let weights: Tensor
    var shape: Shape { weights.shape }
    var precision: Precision { .float32 }
}

extension CPU {
    public func matrix(_ weights: LayerWeights, _ precision: Precision) throws(TensorError) -> any Matrix {
        guard weights.shape.rank == 2 else {
            throw TensorError("matrix", "weights of shape \(weights.shape); [outputs, inputs] is needed")
        }
        if precision == .bfloat16 { return try NarrowMatrix(weights: weights, on: self) }
        let packs = packsWidely(outputs: weights.shape[0], inputs: weights.shape[1])
        return packs ? try wideMatrix(weights) : BLASMatrix(weights: try weights.tensor())
    }

    public func linear(
        _ x: Tensor, _ weights: any Matrix, bias: Tensor?, result: Precision
    ) throws(TensorError) -> Tensor {
        if let wide = weights as? WideMatrix { return try linear(x, wide, bias: bias, result: result) }
        if let narrow = weights as? NarrowMatrix { return try linear(x, narrow, bias: bias, result: result) }
        let weights = try own(weights, "linear")
        return try profiled(
            "linear", operations: 2 * Double(x.shape.rows) * Double(weights.shape.count), of: [x],
            by: OperationWeights(shape: weights.shape, precision: .float32)
        ) {
            () throws(TensorError) in
            try linearByBLAS(x, weights, bias: bias, result: result)
        }
    }

    func linearByBLAS(
        _ x: Tensor, _ w: Tensor, bias: Tensor?, result: Precision
    ) throws(TensorError) -> Tensor {
        let x = try x.widened()
        let (outputs, inputs) = (w.shape[0], w.shape[1])
        return try Tensor.building(try x.shape.replacing(axis: -1, with: outputs), "linear") { out in
            panels(rows: x.shape.rows, columns: outputs, inner: inputs) { rows, columns in
                let target = out + rows.lowerBound * outputs + columns.lowerBound
                if let bias {
                    spread(bias.pointer + columns.lowerBound, columns.count, over: rows.count, target, outputs)
                }
                multiply(
                    Factor(x.pointer + rows.lowerBound * inputs, rowStride: inputs),
                    Factor(w.pointer + columns.lowerBound * inputs, rowStride: inputs, transposed: true),
                    into: target, rowStride: outputs, rows: rows.count, columns: columns.count, inner: inputs,
                    beta: bias == nil ? 0 : 1)
            }
        }.converted(to: result)
    }

    public func linearInputGradient(
        _ dy: Tensor, _ weights: any Matrix, result: Precision
    ) throws(TensorError) -> Tensor {
        if let wide = weights as? WideMatrix { return try linearInputGradient(dy, wide, result: result) }
        if let narrow = weights as? NarrowMatrix { return try linearInputGradient(dy, narrow, result: result) }
        let weights = try own(weights, "linear gradient")
        return try profiled(
            "linear gradient", operations: 2 * Double(dy.shape.rows) * Double(weights.shape.count), of: [dy],
            by: OperationWeights(shape: weights.shape, precision: .float32)
        ) {
            () throws(TensorError) in
            try linearInputGradientByBLAS(dy, weights, result: result)
        }
    }

    func linearInputGradientByBLAS(_ dy: Tensor, _ w: Tensor, result: Precision) throws(TensorError) -> Tensor {
        let dy = try dy.widened()
        let (outputs, inputs) = (w.shape[0], w.shape[1])
        return try Tensor.building(try dy.shape.replacing(axis: -1, with: inputs), "linear gradient") { out in
            panels(rows: dy.shape.rows, columns: inputs, inner: outputs) { rows, columns in
                multiply(
                    Factor(dy.pointer + rows.lowerBound * outputs, rowStride: outputs),
                    Factor(w.pointer + columns.lowerBound, rowStride: inputs),
                    into: out + rows.lowerBound * inputs + columns.lowerBound, rowStride: inputs,
                    rows: rows.count, columns: columns.count, inner: outputs)
            }
        }.converted(to: result)
    }

    public func product(
        _ a: Tensor, transposed ta: Bool, _ b: Tensor, transposed tb: Bool
    ) throws(TensorError) -> Tensor {
        let a = try a.widened(), b = try b.widened()
        let batch = a.shape[0], lda = a.shape[2], ldb = b.shape[2]
        let (m, k) = ta ? (a.shape[2], a.shape[1]) : (a.shape[1], a.shape[2])
        let n = tb ? b.shape[1] : b.shape[2]
        return try Tensor.building([batch, m, n], "product") { out in
            split(batch, grain: max(1, (1 << 18) / max(1, m * n * k))) { part in
                for index in part {
                    multiply(
                        Factor(a.pointer + index * m * k, rowStride: lda, transposed: ta),
                        Factor(b.pointer + index * k * n, rowStride: ldb, transposed: tb),
                        into: out + index * m * n, rowStride: n, rows: m, columns: n, inner: k)
                }
            }
        }
    }

    private func own(_ weights: any Matrix, _ operation: String) throws(TensorError) -> Tensor {
        guard let matrix = weights as? BLASMatrix else {
            throw TensorError(operation, "the weights were prepared for another device")
        }
        return matrix.weights
    }

    /// Cuts an output of `rows` x `columns` into one panel per thread, along the longer side: OpenBLAS packs the other
    /// factor anew for every panel.
    func panels(rows: Int, columns: Int, inner: Int, _ body: (Range<Int>, Range<Int>) -> Void) {
        guard rows > 0, columns > 0 else { return }
        // About 2^18 multiplications pay for waking a thread.
        let work = max(1, inner)
        if rows >= columns {
            let grain = max(1, rows / threads, (1 << 18) / (work * columns))
            split(rows, grain: grain) { part in body(part, 0..<columns) }
        } else {
            let grain = max(16, columns / threads, (1 << 18) / (work * rows))
            split(columns, grain: grain) { part in body(0..<rows, part) }
        }
    }
}

/// Writes the same `count` numbers to each of `rows` rows.
func spread(
    _ numbers: UnsafePointer<Float>, _ count: Int, over rows: Int, _ out: UnsafeMutablePointer<Float>, _ rowStride: Int
) {
    for row in 0..<rows { (out + row * rowStride).update(from: numbers, count: count) }
}
