internal import CKernels

/// Attention of bfloat16 numbers in blocks of queries and keys that stay in the second cache, in the manner of Dao and
/// others 2022 (arXiv 2205.14135): scores, their maxima, exponentials and sums are float32, only what is multiplied is
/// bfloat16.
extension CPU {
    /// Whether the processor has the instructions, and the heads an even size: they take pairs.
    static func canAttendNarrowly(_ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, causal: Bool) -> Bool {
        q.precision == .bfloat16 && !causal && q.shape.count > 0 && k.shape.count > 0 && q.shape[2] / heads % 2 == 0
            && hasNarrowProduct
    }

    func attendNarrowly(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int
    ) throws(TensorError) -> (output: Tensor, logSumExp: Tensor) {
        let plan = AttentionPlan(narrow: q.shape, k.shape, heads: heads)
        let keys = try pack(k, plan, plan.transposedWords) { from, to in
            rectifid_pack_transposed(from, plan.width, plan.keys, plan.size, to)
        }
        let values = try pack(v, plan, plan.straightWords) { from, to in
            rectifid_pack(from, plan.width, plan.keys, plan.size, to)
        }
        let lse = try Storage(floats: plan.units * plan.queries, operation: "attention")
        let sums = lse.base.assumingMemoryBound(to: Float.self)
        let scratch = try Scratch(bytes: NarrowAttentionBlock.bytes(plan), parts: threads, "attention")
        let output = try Tensor.building(q.shape, .bfloat16, "attention") { out in
            split(plan.units * plan.queryBlocks, grain: plan.grain, scratch) { part, memory in
                let block = NarrowAttentionBlock(plan, in: memory)
                for index in part {
                    let (unit, rows) = (index / plan.queryBlocks, plan.rows(index % plan.queryBlocks))
                    block.attend(
                        q.halves + plan.queryOffset(unit, rows), keys + unit * plan.transposedWords,
                        values + unit * plan.straightWords, rows.count, sums + unit * plan.queries + rows.lowerBound,
                        into: out.assumingMemoryBound(to: UInt16.self) + plan.queryOffset(unit, rows))
                }
            }
        }
        withExtendedLifetime((keys, values)) {}
        return (output, Tensor(shape: [plan.images, heads, plan.queries], storage: lse))
    }

    /// As ``attentionGradient`` says.
    func attendNarrowlyGradient(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, logSumExp: Tensor, _ dy: Tensor, heads: Int,
        keysAndValues: Bool
    ) throws(TensorError) -> (q: Tensor, k: Tensor?, v: Tensor?) {
        let plan = AttentionPlan(narrow: q.shape, k.shape, heads: heads), parts = plan.gradientParts
        let dk = keysAndValues ? try Tensor.building(k.shape, .bfloat16, "attention gradient") { _ in } : nil
        let dv = keysAndValues ? try Tensor.building(v.shape, .bfloat16, "attention gradient") { _ in } : nil
        let shares = try AttentionShares(plan)
        let scratch = try Scratch(
            bytes: NarrowAttentionGradient.bytes(plan, keysAndValues: keysAndValues), parts: threads,
            "attention gradient")
        for thread in 0..<threads {
            NarrowAttentionGradient(plan, keysAndValues: keysAndValues, in: scratch.part(thread)).begin()
        }
        split(plan.units * parts, grain: 1, scratch) { range, memory in
            let work = NarrowAttentionGradient(plan, keysAndValues: keysAndValues, in: memory)
            for index in range {
                let (unit, part) = index.quotientAndRemainder(dividingBy: parts)
                let query = plan.queryOffset(unit, plan.rows(0)), key = plan.keyOffset(unit)
                let head = NarrowAttentionGradient.Head(
                    q: q.halves + query, k: k.halves + key, v: v.halves + key, output: output.halves + query,
                    dy: dy.halves + query, logSumExp: logSumExp.pointer + unit * plan.queries)
                work.run(
                    head, plan.keyBlocks(of: part), into: shares.share(unit, part), dk.map { $0.writableHalves + key },
                    dv.map { $0.writableHalves + key })
            }
        }
        let dq = try shares.gathered(q.shape, .bfloat16, on: self) { sums, rows, out, at in
            let to = out.assumingMemoryBound(to: UInt16.self) + at
            for row in 0..<rows {
                rectifid_narrow_bfloat16(sums + row * plan.paddedSize, to + row * plan.width, plan.size)
            }
        }
        return (dq, dk, dv)
    }

    /// Every head of `x` packed, one after the other.
    private func pack(
        _ x: Tensor, _ plan: AttentionPlan, _ words: Int,
        _ body: (UnsafePointer<UInt16>, UnsafeMutablePointer<UInt32>) -> Void
    ) throws(TensorError) -> UnsafePackedHeads {
        let packed = UnsafePackedHeads(
            try Storage(bytes: plan.units * words * MemoryLayout<UInt32>.stride, operation: "attention"))
        split(plan.units, grain: max(1, CPU.elementGrain / max(1, words))) { part in
            for unit in part { body(x.halves + plan.keyOffset(unit), packed.words + unit * words) }
        }
        return packed
    }
}

/// Packed keys or values of all heads.
private struct UnsafePackedHeads {
    let storage: Storage
    var words: UnsafeMutablePointer<UInt32> { storage.base.assumingMemoryBound(to: UInt32.self) }

    init(_ storage: Storage) { self.storage = storage }

    static func + (packed: UnsafePackedHeads, offset: Int) -> UnsafePointer<UInt32> {
        UnsafePointer(packed.words + offset)
    }
}

extension Tensor {
    /// For the operation that makes the tensor.
    fileprivate var writableHalves: UnsafeMutablePointer<UInt16> { UnsafeMutablePointer(mutating: halves) }
}

extension AttentionPlan {
    fileprivate init(narrow q: Shape, _ k: Shape, heads: Int) {
        // Ten panels of packed keys.
        self.init(q, k, heads: heads, queryBlock: 128, keyBlock: 10 * Int(RECTIFID_PANEL))
    }

    /// Of a head's keys or values, packed.
    fileprivate var transposedWords: Int { Int(rectifid_packed_words(size, keys)) }
    fileprivate var straightWords: Int { Int(rectifid_packed_words(keys, size)) }
}
