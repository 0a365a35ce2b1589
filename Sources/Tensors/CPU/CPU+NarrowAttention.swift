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
        let plan = NarrowAttentionPlan(q.shape, k.shape, heads: heads)
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
    ///
    /// The unit of work is a head, and where there are few heads some of its keys, whose shares of the queries' derivative
    /// are added up in the end: how many, the shapes alone say, never the threads, so that sums round alike everywhere.
    func attendNarrowlyGradient(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, logSumExp: Tensor, _ dy: Tensor, heads: Int,
        keysAndValues: Bool
    ) throws(TensorError) -> (q: Tensor, k: Tensor?, v: Tensor?) {
        let plan = NarrowAttentionPlan(q.shape, k.shape, heads: heads), parts = plan.gradientParts
        let dk = keysAndValues ? try Tensor.building(k.shape, .bfloat16, "attention gradient") { _ in } : nil
        let dv = keysAndValues ? try Tensor.building(v.shape, .bfloat16, "attention gradient") { _ in } : nil
        let shares = try Storage(
            floats: plan.units * parts * plan.queries * plan.paddedSize, operation: "attention gradient")
        let sums = shares.base.assumingMemoryBound(to: Float.self)
        let scratch = try Scratch(
            bytes: NarrowAttentionGradient.bytes(plan, keysAndValues: keysAndValues), parts: threads,
            "attention gradient")
        split(plan.units * parts, grain: 1, scratch) { range, memory in
            let work = NarrowAttentionGradient(plan, keysAndValues: keysAndValues, in: memory)
            for index in range {
                let (unit, part) = (index / parts, index % parts)
                let query = plan.queryOffset(unit, plan.rows(0)), key = plan.keyOffset(unit)
                let head = NarrowAttentionGradient.Head(
                    q: q.halves + query, k: k.halves + key, v: v.halves + key, output: output.halves + query,
                    dy: dy.halves + query, logSumExp: logSumExp.pointer + unit * plan.queries)
                work.run(
                    head, plan.keyBlocks * part / parts..<plan.keyBlocks * (part + 1) / parts,
                    into: sums + index * plan.queries * plan.paddedSize, dk.map { $0.writableHalves + key },
                    dv.map { $0.writableHalves + key })
            }
        }
        return (try gather(shares, plan, q.shape), dk, dv)
    }

    /// The sum of every head's parts, in bfloat16.
    private func gather(
        _ shares: Storage, _ plan: NarrowAttentionPlan, _ shape: Shape
    ) throws(TensorError) -> Tensor {
        let (parts, length) = (plan.gradientParts, plan.queries * plan.paddedSize)
        let sums = shares.base.assumingMemoryBound(to: Float.self)
        return try Tensor.building(shape, .bfloat16, "attention gradient") { out in
            let halves = out.assumingMemoryBound(to: UInt16.self)
            let grain = max(1, CPU.elementGrain / (NarrowAttentionPlan.queryBlock * plan.paddedSize))
            split(plan.units * plan.queryBlocks, grain: grain) { range in
                for index in range {
                    let (unit, rows) = (index / plan.queryBlocks, plan.rows(index % plan.queryBlocks))
                    let first = sums + unit * parts * length + rows.lowerBound * plan.paddedSize
                    for part in 1..<max(1, parts) {
                        rectifid_accumulate(first + part * length, 1, first, rows.count * plan.paddedSize)
                    }
                    let to = halves + plan.queryOffset(unit, rows)
                    for row in 0..<rows.count {
                        rectifid_narrow_bfloat16(first + row * plan.paddedSize, to + row * plan.width, plan.size)
                    }
                }
            }
        }
    }

    /// Every head of `x` packed, one after the other.
    private func pack(
        _ x: Tensor, _ plan: NarrowAttentionPlan, _ words: Int,
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

/// How an attention is cut: heads of every image, blocks of queries and of keys within each.
struct NarrowAttentionPlan {
    static let queryBlock = 64
    /// Ten panels of packed keys.
    static let keyBlock = 10 * Int(RECTIFID_PANEL)

    let images, heads, queries, keys, size: Int
    var width: Int { heads * size }
    var units: Int { images * heads }
    var queryBlocks: Int { (queries + NarrowAttentionPlan.queryBlock - 1) / NarrowAttentionPlan.queryBlock }
    var keyBlocks: Int { (keys + NarrowAttentionPlan.keyBlock - 1) / NarrowAttentionPlan.keyBlock }
    var scale: Float { 1 / Float(size).squareRoot() }
    /// Columns of a head, as products write them.
    var paddedSize: Int { (size + 15) / 16 * 16 }
    var transposedWords: Int { Int(rectifid_packed_words(size, keys)) }
    var straightWords: Int { Int(rectifid_packed_words(keys, size)) }
    /// Parts of a head's keys for its derivative: enough for sixteen threads.
    var gradientParts: Int { max(1, min(keyBlocks, 16 / units)) }
    /// Blocks that pay for a thread.
    var grain: Int { max(1, (1 << 19) / max(1, NarrowAttentionPlan.queryBlock * keys * size)) }

    init(_ q: Shape, _ k: Shape, heads: Int) {
        (images, queries, keys) = (q[0], q[1], k[1])
        (self.heads, size) = (heads, q[2] / heads)
    }

    func rows(_ block: Int) -> Range<Int> {
        block * NarrowAttentionPlan.queryBlock..<min(queries, (block + 1) * NarrowAttentionPlan.queryBlock)
    }

    func columns(_ block: Int) -> Range<Int> {
        block * NarrowAttentionPlan.keyBlock..<min(keys, (block + 1) * NarrowAttentionPlan.keyBlock)
    }

    func queryOffset(_ unit: Int, _ rows: Range<Int>) -> Int {
        (unit / heads * queries + rows.lowerBound) * width + unit % heads * size
    }

    func keyOffset(_ unit: Int) -> Int { unit / heads * keys * width + unit % heads * size }
}
