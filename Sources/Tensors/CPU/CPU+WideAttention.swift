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
        let plan = WideAttentionPlan(q.shape, k.shape, heads: heads)
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
    private func pack(_ k: Tensor, _ v: Tensor, _ plan: WideAttentionPlan) throws(TensorError) -> Storage {
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
    ///
    /// The unit of work is a head, and where there are few heads some of its keys, whose shares of the queries' derivative
    /// are added up in the end: how many, the shapes alone say, never the threads, so that sums round alike everywhere.
    func attendWidelyGradient(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, logSumExp: Tensor, _ dy: Tensor, heads: Int,
        keysAndValues: Bool
    ) throws(TensorError) -> (q: Tensor, k: Tensor?, v: Tensor?) {
        let plan = WideAttentionPlan(q.shape, k.shape, heads: heads), parts = plan.gradientParts
        let dk = keysAndValues ? try Tensor.building(k.shape, "attention gradient") { _ in } : nil
        let dv = keysAndValues ? try Tensor.building(v.shape, "attention gradient") { _ in } : nil
        let shares = try Storage(floats: plan.units * parts * plan.shareNumbers, operation: "attention gradient")
        let sums = shares.base.assumingMemoryBound(to: Float.self)
        let scratch = try Scratch(
            floats: rectifid_wide_attention_gradient_numbers(plan.queries, plan.size), parts: threads,
            "attention gradient")
        split(plan.units * parts, grain: 1, scratch) { range, memory in
            for index in range {
                let (unit, part) = (index / parts, index % parts)
                let query = plan.queryOffset(unit, plan.rows(0)), key = plan.keyOffset(unit)
                var head = rectifid_wide_head(
                    q: q.pointer + query, k: k.pointer + key, v: v.pointer + key, output: output.pointer + query,
                    dy: dy.pointer + query, lse: logSumExp.pointer + unit * plan.queries, stride: plan.width,
                    queries: plan.queries, keys: plan.keys, size: plan.size, scale: plan.scale)
                let keys = plan.keys(part)
                rectifid_wide_attention_gradient(
                    &head, keys.lowerBound, keys.upperBound, sums + index * plan.shareNumbers,
                    dk.map { $0.writablePointer + key }, dv.map { $0.writablePointer + key },
                    memory.assumingMemoryBound(to: Float.self))
            }
        }
        return (try gather(shares, plan, q.shape), dk, dv)
    }

    /// The sum of every head's parts, times what slopes of scores are to be multiplied by.
    private func gather(
        _ shares: Storage, _ plan: WideAttentionPlan, _ shape: Shape
    ) throws(TensorError) -> Tensor {
        let parts = plan.gradientParts
        let sums = shares.base.assumingMemoryBound(to: Float.self)
        return try Tensor.building(shape, "attention gradient") { out in
            let grain = max(1, CPU.elementGrain / (WideAttentionPlan.queryBlock * plan.paddedSize))
            split(plan.units * plan.queryBlocks, grain: grain) { range in
                for index in range {
                    let (unit, rows) = (index / plan.queryBlocks, plan.rows(index % plan.queryBlocks))
                    let first = sums + unit * parts * plan.shareNumbers + rows.lowerBound * plan.paddedSize
                    for part in 1..<max(1, parts) {
                        rectifid_accumulate(
                            first + part * plan.shareNumbers, 1, first, rows.count * plan.paddedSize)
                    }
                    rectifid_wide_copy(
                        first, plan.paddedSize, plan.scale, out + plan.queryOffset(unit, rows), plan.width,
                        rows.count, plan.size)
                }
            }
        }
    }
}

extension Tensor {
    /// For the operation that makes the tensor.
    fileprivate var writablePointer: UnsafeMutablePointer<Float> { UnsafeMutablePointer(mutating: pointer) }
}

extension Scratch {
    fileprivate init(floats: Int, parts: Int, _ operation: String) throws(TensorError) {
        try self.init(bytes: floats * MemoryLayout<Float>.stride, parts: parts, operation)
    }
}

/// How an attention is cut: heads of every image, blocks of queries within each; for the derivative, parts of the keys.
private struct WideAttentionPlan {
    static let queryBlock = Int(RECTIFID_ATTENTION_ROWS)
    private static let keyBlock = Int(RECTIFID_ATTENTION_KEYS)
    /// Bytes that a head's shares of the queries' derivative may take.
    private static let shareBytes = 256 << 20

    let images, heads, queries, keys, size, packedNumbers, gradientParts: Int
    var width: Int { heads * size }
    var units: Int { images * heads }
    var queryBlocks: Int { (queries + WideAttentionPlan.queryBlock - 1) / WideAttentionPlan.queryBlock }
    var scale: Float { 1 / Float(size).squareRoot() }
    /// Columns of a head, as sums are kept.
    var paddedSize: Int { (size + 15) / 16 * 16 }
    /// Of one part of a head's keys.
    var shareNumbers: Int { queries * paddedSize }
    /// Blocks that pay for a thread.
    var grain: Int { max(1, (1 << 18) / max(1, WideAttentionPlan.queryBlock * keys * size)) }

    init(_ q: Shape, _ k: Shape, heads: Int) {
        (images, queries, keys) = (q[0], q[1], k[1])
        (self.heads, size) = (heads, q[2] / heads)
        packedNumbers = rectifid_wide_attention_numbers(keys, size)
        // Enough for sixteen threads.
        let wanted = min(WideAttentionPlan.blocks(keys), 16 / (images * heads))
        let share = queries * (size + 15) / 16 * 16 * MemoryLayout<Float>.stride
        gradientParts = max(1, min(wanted, WideAttentionPlan.shareBytes / share))
    }

    private static func blocks(_ keys: Int) -> Int { (keys + keyBlock - 1) / keyBlock }

    func rows(_ block: Int) -> Range<Int> {
        block * WideAttentionPlan.queryBlock..<min(queries, (block + 1) * WideAttentionPlan.queryBlock)
    }

    /// Those of a part, whole blocks.
    func keys(_ part: Int) -> Range<Int> {
        let blocks = WideAttentionPlan.blocks(keys)
        func bound(_ part: Int) -> Int { min(keys, blocks * part / gradientParts * WideAttentionPlan.keyBlock) }
        return bound(part)..<bound(part + 1)
    }

    func queryOffset(_ unit: Int, _ rows: Range<Int>) -> Int {
        (unit / heads * queries + rows.lowerBound) * width + unit % heads * size
    }

    func keyOffset(_ unit: Int) -> Int { unit / heads * keys * width + unit % heads * size }
}
