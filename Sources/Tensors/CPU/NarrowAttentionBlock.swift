internal import CKernels

/// One thread's memory for a block of queries of an attention, and what is done in it.
struct NarrowAttentionBlock {
    private let plan: NarrowAttentionPlan
    private let scores, sums: UnsafeMutablePointer<Float>
    private let probabilities: UnsafeMutablePointer<UInt16>
    /// Of each row: the highest score so far, the sum of exponentials, and what earlier blocks are multiplied by.
    private let top, total, rescale: UnsafeMutablePointer<Float>

    private static let stride = NarrowAttentionPlan.keyBlock
    private static let rows = NarrowAttentionPlan.queryBlock

    init(_ plan: NarrowAttentionPlan) {
        self.plan = plan
        scores = .allocate(capacity: NarrowAttentionBlock.rows * NarrowAttentionBlock.stride)
        probabilities = .allocate(capacity: NarrowAttentionBlock.rows * NarrowAttentionBlock.stride)
        sums = .allocate(capacity: NarrowAttentionBlock.rows * plan.paddedSize)
        top = .allocate(capacity: 3 * NarrowAttentionBlock.rows)
        total = top + NarrowAttentionBlock.rows
        rescale = total + NarrowAttentionBlock.rows
    }

    func deallocate() {
        scores.deallocate()
        probabilities.deallocate()
        sums.deallocate()
        top.deallocate()
    }

    /// Output rows and their log-sum-exp.
    func attend(
        _ q: UnsafePointer<UInt16>, _ keys: UnsafePointer<UInt32>, _ values: UnsafePointer<UInt32>, _ rows: Int,
        _ logSumExp: UnsafeMutablePointer<Float>, into out: UnsafeMutablePointer<UInt16>
    ) {
        let (pairs, keyPairs, stride) = (plan.size / 2, (plan.keys + 1) / 2, NarrowAttentionBlock.stride)
        top.update(repeating: -.greatestFiniteMagnitude / 4, count: rows)
        total.update(repeating: 0, count: rows)
        for block in 0..<plan.keyBlocks {
            let columns = plan.columns(block)
            rectifid_narrow_product(
                q, plan.width, keys, pairs, 0, pairs, columns.lowerBound, scores, stride, rows, columns.count, false)
            rectifid_softmax_block(
                scores, plan.scale, probabilities, top, total, rescale, rows, columns.count, stride)
            if block > 0 { rectifid_scale_rows(sums, rescale, rows, plan.paddedSize) }
            rectifid_narrow_product(
                probabilities, stride, values, keyPairs, columns.lowerBound / 2, (columns.count + 1) / 2, 0, sums,
                plan.paddedSize, rows, plan.size, block > 0)
        }
        rectifid_log_sums(top, total, logSumExp, rescale, rows)
        rectifid_scale_rows(sums, rescale, rows, plan.paddedSize)
        for row in 0..<rows {
            rectifid_narrow_bfloat16(sums + row * plan.paddedSize, out + row * plan.width, plan.size)
        }
    }
}
