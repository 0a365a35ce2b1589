internal import CKernels

/// One thread's memory for the derivative of one head at a time, and what is done in it.
///
/// With P the softmax, dP = dO V^T, delta = rowsum(dO * O), dS = scale P (dP - delta): dQ = dS K, dK = dS^T Q, dV = P^T dO.
/// The last two are kept transposed until the head is done, so that a block's P and dS are right factors as they lie.
struct NarrowAttentionGradient {
    private let plan: NarrowAttentionPlan
    private let keysAndValues: Bool
    private let scores, slopes, sums, delta: UnsafeMutablePointer<Float>
    private let probabilities, scoreSlopes, transposedQueries, transposedSlopes: UnsafeMutablePointer<UInt16>
    private let keysForScores, valuesForSlopes, keysForQueries, block: UnsafeMutablePointer<UInt32>
    private let keySums, valueSums: UnsafeMutablePointer<Float>

    private static let stride = NarrowAttentionPlan.keyBlock
    private static let rows = NarrowAttentionPlan.queryBlock

    init(_ plan: NarrowAttentionPlan, keysAndValues: Bool) {
        let (rows, stride) = (NarrowAttentionGradient.rows, NarrowAttentionGradient.stride)
        self.plan = plan
        self.keysAndValues = keysAndValues
        scores = .allocate(capacity: rows * stride)
        slopes = .allocate(capacity: rows * stride)
        probabilities = .allocate(capacity: rows * stride)
        scoreSlopes = .allocate(capacity: rows * stride)
        sums = .allocate(capacity: rows * plan.paddedSize)
        delta = .allocate(capacity: rows)
        transposedQueries = .allocate(capacity: rows * plan.size)
        transposedSlopes = .allocate(capacity: rows * plan.size)
        keysForScores = .allocate(capacity: plan.transposedWords)
        valuesForSlopes = .allocate(capacity: plan.transposedWords)
        keysForQueries = .allocate(capacity: plan.straightWords)
        block = .allocate(capacity: Int(rectifid_packed_words(rows, stride)))
        keySums = .allocate(capacity: keysAndValues ? plan.size * plan.paddedKeys : 1)
        valueSums = .allocate(capacity: keysAndValues ? plan.size * plan.paddedKeys : 1)
    }

    func deallocate() {
        for memory in [scores, slopes, sums, delta, keySums, valueSums] { memory.deallocate() }
        for memory in [probabilities, scoreSlopes, transposedQueries, transposedSlopes] { memory.deallocate() }
        for memory in [keysForScores, valuesForSlopes, keysForQueries, block] { memory.deallocate() }
    }

    /// Takes the keys and values of a head.
    func begin(_ k: UnsafePointer<UInt16>, _ v: UnsafePointer<UInt16>) {
        rectifid_pack_transposed(k, plan.width, plan.keys, plan.size, keysForScores)
        rectifid_pack_transposed(v, plan.width, plan.keys, plan.size, valuesForSlopes)
        rectifid_pack(k, plan.width, plan.keys, plan.size, keysForQueries)
        guard keysAndValues else { return }
        keySums.update(repeating: 0, count: plan.size * plan.paddedKeys)
        valueSums.update(repeating: 0, count: plan.size * plan.paddedKeys)
    }

    /// Derivative of a block of queries, and its share of those of the keys and values.
    func add(
        _ q: UnsafePointer<UInt16>, _ output: UnsafePointer<UInt16>, _ dy: UnsafePointer<UInt16>,
        _ logSumExp: UnsafePointer<Float>, _ rows: Int, into dq: UnsafeMutablePointer<UInt16>
    ) {
        let (pairs, keyPairs, stride) = (plan.size / 2, (plan.keys + 1) / 2, NarrowAttentionGradient.stride)
        rectifid_row_dots(dy, output, plan.width, delta, rows, plan.size)
        if keysAndValues {
            rectifid_transpose_halves(q, plan.width, transposedQueries, NarrowAttentionGradient.rows, rows, plan.size)
            rectifid_transpose_halves(dy, plan.width, transposedSlopes, NarrowAttentionGradient.rows, rows, plan.size)
        }
        for index in 0..<plan.keyBlocks {
            let columns = plan.columns(index), first = columns.lowerBound
            rectifid_narrow_product(
                q, plan.width, keysForScores, pairs, 0, pairs, first, scores, stride, rows, columns.count, false)
            rectifid_narrow_product(
                dy, plan.width, valuesForSlopes, pairs, 0, pairs, first, slopes, stride, rows, columns.count, false)
            rectifid_softmax_block_gradient(
                scores, slopes, plan.scale, logSumExp, delta, probabilities, scoreSlopes, rows, columns.count, stride)
            rectifid_narrow_product(
                scoreSlopes, stride, keysForQueries, keyPairs, first / 2, (columns.count + 1) / 2, 0, sums,
                plan.paddedSize, rows, plan.size, index > 0)
            guard keysAndValues else { continue }
            accumulate(scoreSlopes, transposedQueries, rows, columns, keySums)
            accumulate(probabilities, transposedSlopes, rows, columns, valueSums)
        }
        for row in 0..<rows {
            rectifid_narrow_bfloat16(sums + row * plan.paddedSize, dq + row * plan.width, plan.size)
        }
    }

    /// sums[size, keys] += left[size, rows] right[rows, columns].
    private func accumulate(
        _ right: UnsafePointer<UInt16>, _ left: UnsafePointer<UInt16>, _ rows: Int, _ columns: Range<Int>,
        _ sums: UnsafeMutablePointer<Float>
    ) {
        let pairs = (rows + 1) / 2
        rectifid_pack(right, NarrowAttentionGradient.stride, rows, columns.count, block)
        rectifid_narrow_product(
            left, NarrowAttentionGradient.rows, block, pairs, 0, pairs, 0, sums + columns.lowerBound, plan.paddedKeys,
            plan.size, columns.count, true)
    }

    /// Writes the derivatives of the head's keys and values.
    func finish(_ dk: UnsafeMutablePointer<UInt16>, _ dv: UnsafeMutablePointer<UInt16>) {
        rectifid_narrow_transpose(keySums, plan.paddedKeys, dk, plan.width, plan.size, plan.keys)
        rectifid_narrow_transpose(valueSums, plan.paddedKeys, dv, plan.width, plan.size, plan.keys)
    }
}
