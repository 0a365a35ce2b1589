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
        let output = try Tensor.building(q.shape, .bfloat16, "attention") { out in
            split(plan.units * plan.queryBlocks, grain: plan.grain) { part in
                let block = NarrowAttentionBlock(plan)
                defer { block.deallocate() }
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

    /// As ``attentionGradient`` says; a head is the unit of work, since its blocks add onto the same keys' gradients.
    func attendNarrowlyGradient(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, logSumExp: Tensor, _ dy: Tensor, heads: Int,
        keysAndValues: Bool
    ) throws(TensorError) -> (q: Tensor, k: Tensor?, v: Tensor?) {
        let plan = NarrowAttentionPlan(q.shape, k.shape, heads: heads)
        let dk = keysAndValues ? try Tensor.building(k.shape, .bfloat16, "attention gradient") { _ in } : nil
        let dv = keysAndValues ? try Tensor.building(v.shape, .bfloat16, "attention gradient") { _ in } : nil
        let dq = try Tensor.building(q.shape, .bfloat16, "attention gradient") { out in
            split(plan.units, grain: 1) { part in
                let work = NarrowAttentionGradient(plan, keysAndValues: keysAndValues)
                defer { work.deallocate() }
                for unit in part {
                    let key = plan.keyOffset(unit)
                    work.begin(k.halves + key, v.halves + key)
                    for index in 0..<plan.queryBlocks {
                        let rows = plan.rows(index), at = plan.queryOffset(unit, rows)
                        work.add(
                            q.halves + at, output.halves + at, dy.halves + at,
                            logSumExp.pointer + unit * plan.queries + rows.lowerBound, rows.count,
                            into: out.assumingMemoryBound(to: UInt16.self) + at)
                    }
                    if let dk, let dv { work.finish(dk.writableHalves + key, dv.writableHalves + key) }
                }
            }
        }
        return (dq, dk, dv)
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
    /// Columns of a head and keys, as products write them.
    var paddedSize: Int { (size + 15) / 16 * 16 }
    var paddedKeys: Int { (keys + 15) / 16 * 16 }
    var transposedWords: Int { Int(rectifid_packed_words(size, keys)) }
    var straightWords: Int { Int(rectifid_packed_words(keys, size)) }
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
