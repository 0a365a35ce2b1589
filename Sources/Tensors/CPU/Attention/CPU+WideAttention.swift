internal import CKernels

/// Attention of float32 numbers in blocks of queries and keys that stay in the caches: see `wide_attention.h`.
extension CPU {
    /// Whether the processor has the instructions, and the heads a size that their registers take.
    func canAttendWidely(_ q: Tensor, _ k: Tensor, heads: Int, causal: Bool) -> Bool {
        CPU.hasWideRegisters && convolutionProvider == .automatic && !causal && q.shape.count > 0 && k.shape.count > 0
            && q.shape[2] / heads % 8 == 0
    }

    func attendWidely(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int
    ) throws(TensorError) -> (output: Tensor, logSumExp: Tensor) {
        let plan = AttentionPlan(wide: q.shape, k.shape, heads: heads)
        let packed = try pack(k, v, plan)
        let factors = packed.base.assumingMemoryBound(to: Float.self)
        let lse = try Storage(floats: plan.units * plan.queries, operation: "attention")
        let sums = lse.base.assumingMemoryBound(to: Float.self)
        let scratch = try Scratch(floats: rectifid_wide_attend_numbers(plan.size), parts: threads, "attention")
        let output = try Tensor.building(q.shape, "attention") { out in
            split(plan.units * plan.queryBlocks, grain: plan.grain, scratch) { part, memory in
                for index in part {
                    let (unit, rows) = (index / plan.queryBlocks, plan.rows(index % plan.queryBlocks))
                    let at = plan.queryOffset(unit, rows)
                    rectifid_wide_attend(
                        q.pointer + at, plan.width, rows.count, factors + unit * plan.packedNumbers, plan.keys,
                        plan.size, plan.scale, sums + unit * plan.queries + rows.lowerBound, out + at,
                        memory.assumingMemoryBound(to: Float.self))
                }
            }
        }
        withExtendedLifetime(packed) {}
        return (output, Tensor(shape: [plan.images, heads, plan.queries], storage: lse))
    }

    /// Keys and values of every head, one head after the other.
    private func pack(_ k: Tensor, _ v: Tensor, _ plan: AttentionPlan) throws(TensorError) -> Storage {
        let packed = try Storage(floats: plan.units * plan.packedNumbers, operation: "attention")
        let numbers = packed.base.assumingMemoryBound(to: Float.self)
        split(plan.units, grain: max(1, CPU.elementGrain / plan.packedNumbers)) { part in
            for unit in part {
                let at = plan.keyOffset(unit)
                rectifid_wide_attention_pack(
                    k.pointer + at, v.pointer + at, plan.width, plan.keys, plan.size,
                    numbers + unit * plan.packedNumbers)
            }
        }
        return packed
    }

    /// As ``attentionGradient`` says.
    func attendWidelyGradient(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, logSumExp: Tensor, _ dy: Tensor, heads: Int,
        keysAndValues: Bool
    ) throws(TensorError) -> (q: Tensor, k: Tensor?, v: Tensor?) {
        let plan = AttentionPlan(wide: q.shape, k.shape, heads: heads), parts = plan.gradientParts
        let dk = keysAndValues ? try Tensor.building(k.shape, "attention gradient") { _ in } : nil
        let dv = keysAndValues ? try Tensor.building(v.shape, "attention gradient") { _ in } : nil
        let shares = try AttentionShares(plan)
        let scratch = try Scratch(
            floats: rectifid_wide_attention_gradient_numbers(plan.queries, plan.size), parts: threads,
            "attention gradient")
        split(plan.units * parts, grain: 1, scratch) { range, memory in
            for index in range {
                let (unit, part) = index.quotientAndRemainder(dividingBy: parts)
                let query = plan.queryOffset(unit, plan.rows(0)), key = plan.keyOffset(unit)
                var head = rectifid_wide_head(
                    q: q.pointer + query, k: k.pointer + key, v: v.pointer + key, output: output.pointer + query,
                    dy: dy.pointer + query, lse: logSumExp.pointer + unit * plan.queries, stride: plan.width,
                    queries: plan.queries, keys: plan.keys, size: plan.size, scale: plan.scale)
                let blocks = plan.keyBlocks(of: part)
                rectifid_wide_attention_gradient(
                    &head, plan.columns(blocks.lowerBound).lowerBound, plan.columns(blocks.upperBound - 1).upperBound,
                    shares.share(unit, part), dk.map { $0.writablePointer + key }, dv.map { $0.writablePointer + key },
                    memory.assumingMemoryBound(to: Float.self))
            }
        }
        let dq = try shares.gathered(q.shape, .float32, on: self) { sums, rows, out, at in
            // Slopes of scores have not been multiplied by the scale yet.
            rectifid_wide_copy(
                sums, plan.paddedSize, plan.scale, out.assumingMemoryBound(to: Float.self) + at, plan.width, rows,
                plan.size)
        }
        return (dq, dk, dv)
    }
}

extension Tensor {
    /// For the operation that makes the tensor.
    fileprivate var writablePointer: UnsafeMutablePointer<Float> { UnsafeMutablePointer(mutating: pointer) }
}

extension AttentionPlan {
    fileprivate init(wide q: Shape, _ k: Shape, heads: Int) {
        self.init(
            q, k, heads: heads, queryBlock: Int(RECTIFID_ATTENTION_ROWS), keyBlock: Int(RECTIFID_ATTENTION_KEYS))
    }

    /// Of the packed keys and values of a head.
    fileprivate var packedNumbers: Int { rectifid_wide_attention_numbers(keys, size) }
}
