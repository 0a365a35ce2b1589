internal import CKernels

/// One thread's memory for a block of queries of an attention, and what is done in it.
struct NarrowAttentionBlock {
    private let plan: AttentionPlan
    private let queries, probabilities: UnsafeMutablePointer<UInt16>
    private let sums: UnsafeMutablePointer<Float>
    /// Of each row: the highest score so far, sums of exponentials, and what earlier blocks are multiplied by.
    private let top, totals, rescale: UnsafeMutablePointer<Float>

    /// - Parameter memory: Where a thread's arrays are cut from; ``bytes(_:)`` says how much.
    init(_ plan: AttentionPlan, in memory: UnsafeMutableRawPointer) {
        var cursor = ScratchCursor(memory)
        self.init(plan, &cursor)
    }

    static func bytes(_ plan: AttentionPlan) -> Int {
        var cursor = ScratchCursor()
        _ = NarrowAttentionBlock(plan, &cursor)
        return cursor.bytes
    }

    private init(_ plan: AttentionPlan, _ cursor: inout ScratchCursor) {
        let (rows, stride) = (plan.queryBlock, plan.keyBlock)
        self.plan = plan
        queries = cursor.take(rows * plan.size)
        probabilities = cursor.take(rows * stride)
        sums = cursor.take(rows * plan.paddedSize)
        top = cursor.take(rows)
        totals = cursor.take(16 * rows)
        rescale = cursor.take(rows)
    }

    /// Output rows and their log-sum-exp.
    func attend(
        _ q: UnsafePointer<UInt16>, _ keys: UnsafePointer<UInt32>, _ values: UnsafePointer<UInt32>, _ rows: Int,
        _ logSumExp: UnsafeMutablePointer<Float>, into out: UnsafeMutablePointer<UInt16>
    ) {
        totals.update(repeating: 0, count: 16 * rows)
        for row in 0..<rows { (queries + row * plan.size).update(from: q + row * plan.width, count: plan.size) }
        for block in 0..<plan.keyBlocks { add(keys, values, rows, block) }
        rectifid_log_sums(top, totals, logSumExp, rescale, rows)
        rectifid_scale_rows(sums, plan.paddedSize, rescale, rows, plan.size)
        for row in 0..<rows {
            rectifid_narrow_bfloat16(sums + row * plan.paddedSize, out + row * plan.width, plan.size)
        }
    }

    /// A block of keys and values.
    private func add(
        _ keys: UnsafePointer<UInt32>, _ values: UnsafePointer<UInt32>, _ rows: Int, _ block: Int
    ) {
        let columns = plan.columns(block), stride = plan.keyBlock
        var scores = rectifid_scores(
            q: queries, keys: keys + columns.lowerBound * (plan.size / 2), stride: plan.size, size: plan.size,
            rows: rows, columns: columns.count, scale: plan.scale, first: block == 0,
            p: probabilities, p_stride: stride, top: top, sums: totals, rescale: rescale)
        if rectifid_attention_scores(&scores), block > 0 {
            rectifid_scale_rows(sums, plan.paddedSize, rescale, rows, plan.size)
        }
        rectifid_narrow_product(
            probabilities, stride, values, (plan.keys + 1) / 2, columns.lowerBound / 2, (columns.count + 1) / 2, 0,
            sums, plan.paddedSize, rows, plan.size, block > 0, nil)
    }
}
