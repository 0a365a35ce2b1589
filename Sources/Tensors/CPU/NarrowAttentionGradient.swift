internal import CKernels

/// One thread's memory for the derivative of one head at a time, and what is done in it.
///
/// With P the softmax, dP = dO V^T, delta = rowsum(dO * O), dS = scale P (dP - delta): dQ = dS K, dK = dS^T Q, dV = P^T dO.
/// The last two are kept transposed until their block of keys is done, so that a block's P and dS are right factors as they
/// come. Keys are the outer loop: sums of their derivatives stay in the second cache, and a row of dQ is loaded and stored
/// once for hundreds of keys, where a row of dK would be for a few dozen queries.
struct NarrowAttentionGradient {
    /// A head's numbers, rows `plan.width` apart but for `logSumExp`.
    struct Head {
        let q, k, v, output, dy: UnsafePointer<UInt16>
        let logSumExp: UnsafePointer<Float>
    }

    private let plan: NarrowAttentionPlan
    private let keysAndValues: Bool
    private let delta, keySums, valueSums: UnsafeMutablePointer<Float>
    private let scoreSlopes, transposedQueries, transposedSlopes: UnsafeMutablePointer<UInt16>
    private let keysForScores, valuesForSlopes, keysForQueries: UnsafeMutablePointer<UInt32>
    private let packedProbabilities, packedSlopes: UnsafeMutablePointer<UInt32>

    private static let stride = NarrowAttentionPlan.keyBlock
    private static let rows = NarrowAttentionPlan.queryBlock

    init(_ plan: NarrowAttentionPlan, keysAndValues: Bool) {
        let (rows, stride) = (NarrowAttentionGradient.rows, NarrowAttentionGradient.stride)
        let (block, side) = (Int(rectifid_packed_words(rows, stride)), plan.size * rows * plan.queryBlocks)
        self.plan = plan
        self.keysAndValues = keysAndValues
        delta = .allocate(capacity: plan.queries)
        keySums = .allocate(capacity: keysAndValues ? plan.size * stride : 1)
        valueSums = .allocate(capacity: keysAndValues ? plan.size * stride : 1)
        scoreSlopes = .allocate(capacity: rows * stride)
        transposedQueries = .allocate(capacity: keysAndValues ? side : 1)
        transposedSlopes = .allocate(capacity: keysAndValues ? side : 1)
        keysForScores = .allocate(capacity: Int(rectifid_packed_words(plan.size, stride)))
        valuesForSlopes = .allocate(capacity: Int(rectifid_packed_words(plan.size, stride)))
        keysForQueries = .allocate(capacity: Int(rectifid_packed_words(stride, plan.size)))
        packedProbabilities = .allocate(capacity: keysAndValues ? block : 1)
        packedSlopes = .allocate(capacity: keysAndValues ? block : 1)
    }

    func deallocate() {
        for memory in [delta, keySums, valueSums] { memory.deallocate() }
        for memory in [scoreSlopes, transposedQueries, transposedSlopes] { memory.deallocate() }
        for memory in [keysForScores, valuesForSlopes, keysForQueries] { memory.deallocate() }
        for memory in [packedProbabilities, packedSlopes] { memory.deallocate() }
    }

    /// What `blocks` of keys give to the queries' derivative, sums [queries, paddedSize], and the derivatives of those keys
    /// and values where they are asked for.
    func run(
        _ head: Head, _ blocks: Range<Int>, into sums: UnsafeMutablePointer<Float>, _ dk: UnsafeMutablePointer<UInt16>?,
        _ dv: UnsafeMutablePointer<UInt16>?
    ) {
        prepare(head)
        for block in blocks {
            let columns = plan.columns(block), first = columns.lowerBound * plan.width
            rectifid_pack_transposed(head.k + first, plan.width, columns.count, plan.size, keysForScores)
            rectifid_pack_transposed(head.v + first, plan.width, columns.count, plan.size, valuesForSlopes)
            rectifid_pack(head.k + first, plan.width, columns.count, plan.size, keysForQueries)
            for index in 0..<plan.queryBlocks {
                add(head, index, columns.count, into: sums, accumulate: block > blocks.lowerBound)
            }
            guard let dk, let dv else { continue }
            let stride = NarrowAttentionGradient.stride
            rectifid_narrow_transpose(keySums, stride, dk + first, plan.width, plan.size, columns.count)
            rectifid_narrow_transpose(valueSums, stride, dv + first, plan.width, plan.size, columns.count)
        }
    }

    /// Of all queries: delta, and what stands left of a block's P and dS.
    private func prepare(_ head: Head) {
        rectifid_row_dots(head.dy, head.output, plan.width, delta, plan.queries, plan.size)
        guard keysAndValues else { return }
        for index in 0..<plan.queryBlocks {
            let rows = plan.rows(index), from = rows.lowerBound * plan.width
            rectifid_transpose_halves(
                head.q + from, plan.width, transposedQueries + side(index), NarrowAttentionGradient.rows, rows.count,
                plan.size)
            rectifid_transpose_halves(
                head.dy + from, plan.width, transposedSlopes + side(index), NarrowAttentionGradient.rows, rows.count,
                plan.size)
        }
    }

    private func side(_ queryBlock: Int) -> Int { queryBlock * NarrowAttentionGradient.rows * plan.size }

    /// A block of queries with a block of keys.
    private func add(
        _ head: Head, _ index: Int, _ columns: Int, into sums: UnsafeMutablePointer<Float>, accumulate: Bool
    ) {
        let rows = plan.rows(index), from = rows.lowerBound * plan.width, stride = NarrowAttentionGradient.stride
        var slopes = rectifid_slopes(
            q: head.q + from, dy: head.dy + from, keys: keysForScores, values: valuesForSlopes, stride: plan.width,
            size: plan.size, rows: rows.count, columns: columns, scale: plan.scale,
            lse: head.logSumExp + rows.lowerBound, delta: delta + rows.lowerBound, ds: scoreSlopes, ds_stride: stride,
            packed_p: keysAndValues ? packedProbabilities : nil, packed_ds: keysAndValues ? packedSlopes : nil)
        rectifid_attention_slopes(&slopes)
        let keyPairs = (columns + 1) / 2
        rectifid_narrow_product(
            scoreSlopes, stride, keysForQueries, keyPairs, 0, keyPairs, 0, sums + rows.lowerBound * plan.paddedSize,
            plan.paddedSize, rows.count, plan.size, accumulate)
        guard keysAndValues else { return }
        add(transposedQueries + side(index), packedSlopes, rows.count, columns, to: keySums, accumulate: index > 0)
        add(
            transposedSlopes + side(index), packedProbabilities, rows.count, columns, to: valueSums,
            accumulate: index > 0)
    }

    /// sums[size, columns] (+)= left[size, rows] right[rows, columns].
    private func add(
        _ left: UnsafePointer<UInt16>, _ right: UnsafePointer<UInt32>, _ rows: Int, _ columns: Int,
        to sums: UnsafeMutablePointer<Float>, accumulate: Bool
    ) {
        let pairs = (rows + 1) / 2
        rectifid_narrow_product(
            left, NarrowAttentionGradient.rows, right, pairs, 0, pairs, 0, sums, NarrowAttentionGradient.stride,
            plan.size, columns, accumulate)
    }
}
