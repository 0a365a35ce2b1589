internal import CKernels

/// Attention: by kernels of our own where they take it, else by OpenBLAS, scores of a block of queries over all keys, softmax,
/// product with the values. A head's columns are reached through the row stride of the matrix product, so nothing is
/// transposed or copied.
extension CPU {
    /// Scores that one block may hold.
    private static let blockScores = 1 << 17

    public func attention(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, causal: Bool
    ) throws(TensorError) -> (output: Tensor, logSumExp: Tensor) {
        try profiled(
            "attention", operations: 4 * Double(q.shape.count) * Double(k.shape[1]), of: [q, k, v],
            note: "\(heads) heads"
        ) {
            () throws(TensorError) in try attend(q, k, v, heads: heads, causal: causal)
        }
    }

    private func attend(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, causal: Bool
    ) throws(TensorError) -> (output: Tensor, logSumExp: Tensor) {
        let precision = q.precision
        if CPU.canAttendNarrowly(q, k, v, heads: heads, causal: causal) {
            return try attendNarrowly(
                q, try k.converted(to: precision), try v.converted(to: precision), heads: heads)
        }
        let q = try q.widened(), k = try k.widened(), v = try v.widened()
        if canAttendWidely(q, k, heads: heads, causal: causal) {
            let (output, logSumExp) = try attendWidely(q, k, v, heads: heads)
            return (try output.converted(to: precision), logSumExp)
        }
        let plan = AttentionPlan(q.shape, k.shape, heads: heads, limit: CPU.blockScores)
        let lse = try Storage(floats: plan.units * plan.queries, operation: "attention")
        let logSumExp = Tensor(shape: [plan.images, heads, plan.queries], storage: lse)
        let sums = lse.base.assumingMemoryBound(to: Float.self)
        let scratch = try Scratch(floats: plan.queryBlock * plan.keys, parts: threads, "attention")
        let output = try Tensor.building(q.shape, "attention") { out in
            split(plan.units * plan.queryBlocks, grain: plan.grain, scratch) { part, memory in
                let scores = memory.assumingMemoryBound(to: Float.self)
                for unit in part {
                    let (head, rows) = (unit / plan.queryBlocks, plan.rows(unit % plan.queryBlocks))
                    let queryAt = plan.queryOffset(head, rows), keyAt = plan.keyOffset(head)
                    multiply(
                        Factor(q.pointer + queryAt, rowStride: plan.width),
                        Factor(k.pointer + keyAt, rowStride: plan.width, transposed: true),
                        into: scores, rowStride: plan.keys, rows: rows.count, columns: plan.keys,
                        inner: plan.size)
                    if causal { hideLater(scores, rows, plan.keys) }
                    rectifid_softmax(
                        scores, plan.scale, sums + head * plan.queries + rows.lowerBound, rows.count, plan.keys)
                    multiply(
                        Factor(scores, rowStride: plan.keys),
                        Factor(v.pointer + keyAt, rowStride: plan.width),
                        into: out + queryAt,
                        rowStride: plan.width, rows: rows.count, columns: plan.size, inner: plan.keys)
                }
            }
        }
        return (try output.converted(to: precision), logSumExp)
    }

    // With P the softmax, dP = dO V^T, delta = rowsum(dO * O) = rowsum(P * dP), dS = scale P (dP - delta):
    // dQ = dS K, dK = dS^T Q, dV = P^T dO. P is rebuilt from the stored log-sum-exp.
    public func attentionGradient(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, logSumExp: Tensor, _ dy: Tensor, heads: Int,
        causal: Bool, keysAndValues: Bool
    ) throws(TensorError) -> (q: Tensor, k: Tensor?, v: Tensor?) {
        // Scores, slopes and the queries' derivative; keys and values cost two products more.
        let products: Double = keysAndValues ? 5 : 3
        let operations = 2 * products * Double(q.shape.count) * Double(k.shape[1])
        return try profiled(
            "attention gradient", operations: operations, of: [q, k, v, output, dy], note: "\(heads) heads"
        ) { () throws(TensorError) in
            try attendGradient(
                q, k, v, output: output, logSumExp: logSumExp, dy, heads: heads, causal: causal,
                keysAndValues: keysAndValues)
        }
    }

    private func attendGradient(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, logSumExp: Tensor, _ dy: Tensor, heads: Int,
        causal: Bool, keysAndValues: Bool
    ) throws(TensorError) -> (q: Tensor, k: Tensor?, v: Tensor?) {
        let precision = q.precision
        if CPU.canAttendNarrowly(q, k, v, heads: heads, causal: causal) {
            return try attendNarrowlyGradient(
                q, try k.converted(to: precision), try v.converted(to: precision),
                output: try output.converted(to: precision), logSumExp: logSumExp, try dy.converted(to: precision),
                heads: heads, keysAndValues: keysAndValues)
        }
        let q = try q.widened(), k = try k.widened(), v = try v.widened()
        let output = try output.widened(), dy = try dy.widened()
        if canAttendWidely(q, k, heads: heads, causal: causal) {
            let (dq, dk, dv) = try attendWidelyGradient(
                q, k, v, output: output, logSumExp: logSumExp, dy, heads: heads, keysAndValues: keysAndValues)
            return (
                try dq.converted(to: precision), try dk?.converted(to: precision), try dv?.converted(to: precision)
            )
        }
        let plan = AttentionPlan(q.shape, k.shape, heads: heads, limit: CPU.blockScores)
        let dk = keysAndValues ? try Tensor(repeating: 0, shape: k.shape) : nil
        let dv = keysAndValues ? try Tensor(repeating: 0, shape: v.shape) : nil
        let block = plan.queryBlock * plan.keys
        let scratch = try Scratch(floats: 2 * block + plan.queryBlock, parts: threads, "attention gradient")
        let dq = try Tensor.building(q.shape, "attention gradient") { out in
            // A head is the unit of work: its blocks add onto the same keys' gradients.
            split(plan.units, grain: 1, scratch) { part, memory in
                let probabilities = memory.assumingMemoryBound(to: Float.self)
                let slopes = probabilities + block, delta = slopes + block
                for head in part {
                    for block in 0..<plan.queryBlocks {
                        let rows = plan.rows(block)
                        let queryAt = plan.queryOffset(head, rows), keyAt = plan.keyOffset(head)
                        multiply(
                            Factor(q.pointer + queryAt, rowStride: plan.width),
                            Factor(k.pointer + keyAt, rowStride: plan.width, transposed: true),
                            into: probabilities, rowStride: plan.keys, rows: rows.count,
                            columns: plan.keys, inner: plan.size)
                        if causal { hideLater(probabilities, rows, plan.keys) }
                        rectifid_softmax_rebuild(
                            probabilities, plan.scale, logSumExp.pointer + head * plan.queries + rows.lowerBound,
                            rows.count, plan.keys)
                        multiply(
                            Factor(dy.pointer + queryAt, rowStride: plan.width),
                            Factor(v.pointer + keyAt, rowStride: plan.width, transposed: true),
                            into: slopes, rowStride: plan.keys, rows: rows.count, columns: plan.keys,
                            inner: plan.size)
                        for row in 0..<rows.count {
                            let at = queryAt + row * plan.width
                            delta[row] = Float(rectifid_dot(dy.pointer + at, output.pointer + at, plan.size))
                        }
                        rectifid_softmax_gradient(probabilities, slopes, delta, plan.scale, rows.count, plan.keys)
                        multiply(
                            Factor(slopes, rowStride: plan.keys),
                            Factor(k.pointer + keyAt, rowStride: plan.width),
                            into: out + queryAt,
                            rowStride: plan.width, rows: rows.count, columns: plan.size, inner: plan.keys)
                        guard let dk, let dv else { continue }
                        multiply(
                            Factor(slopes, rowStride: plan.keys, transposed: true),
                            Factor(q.pointer + queryAt, rowStride: plan.width),
                            into: UnsafeMutablePointer(mutating: dk.pointer) + keyAt, rowStride: plan.width,
                            rows: plan.keys, columns: plan.size, inner: rows.count, beta: 1)
                        multiply(
                            Factor(probabilities, rowStride: plan.keys, transposed: true),
                            Factor(dy.pointer + queryAt, rowStride: plan.width),
                            into: UnsafeMutablePointer(mutating: dv.pointer) + keyAt,
                            rowStride: plan.width, rows: plan.keys, columns: plan.size, inner: rows.count, beta: 1)
                    }
                }
            }
        }
        return (
            try dq.converted(to: precision), try dk?.converted(to: precision), try dv?.converted(to: precision)
        )
    }

    private func hideLater(_ scores: UnsafeMutablePointer<Float>, _ rows: Range<Int>, _ keys: Int) {
        for row in rows where row + 1 < keys {
            (scores + (row - rows.lowerBound) * keys + row + 1).update(
                repeating: -.greatestFiniteMagnitude / 4, count: keys - row - 1)
        }
    }
}

extension AttentionPlan {
    /// Blocks of queries with all keys, of no more scores than the limit.
    fileprivate init(_ q: Shape, _ k: Shape, heads: Int, limit: Int) {
        let keys = max(1, k[1])
        self.init(q, k, heads: heads, queryBlock: max(1, min(q[1], limit / keys)), keyBlock: keys)
    }
}
