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

    private let plan: AttentionPlan
    private let keysAndValues: Bool
    /// The head that the thread's arrays stand for, known by where its sums lie; a thread takes several parts of one.
    private let prepared: UnsafeMutablePointer<UnsafePointer<Float>?>
    private let delta, keySums, valueSums: UnsafeMutablePointer<Float>
    /// Rows of the head's q and dy one behind the other: as they come they lie in as many pages as all heads together.
    private let queries, slopes: UnsafeMutablePointer<UInt16>
    private let scoreSlopes, transposedQueries, transposedSlopes: UnsafeMutablePointer<UInt16>
    private let keysForScores, valuesForSlopes, keysForQueries: UnsafeMutablePointer<UInt32>
    private let packedProbabilities, packedSlopes: UnsafeMutablePointer<UInt32>

    /// - Parameter memory: Where a thread's arrays are cut from; ``bytes(_:keysAndValues:)`` says how much.
    init(_ plan: AttentionPlan, keysAndValues: Bool, in memory: UnsafeMutableRawPointer) {
        var cursor = ScratchCursor(memory)
        self.init(plan, keysAndValues: keysAndValues, &cursor)
    }

    static func bytes(_ plan: AttentionPlan, keysAndValues: Bool) -> Int {
        var cursor = ScratchCursor()
        _ = NarrowAttentionGradient(plan, keysAndValues: keysAndValues, &cursor)
        return cursor.bytes
    }

    private init(_ plan: AttentionPlan, keysAndValues: Bool, _ cursor: inout ScratchCursor) {
        let (rows, stride) = (plan.queryBlock, plan.keyBlock)
        let block = Int(rectifid_packed_words(rows, stride)), size = plan.size
        self.plan = plan
        self.keysAndValues = keysAndValues
        prepared = cursor.take(1)
        delta = cursor.take(plan.queries)
        queries = cursor.take(plan.queries * size)
        slopes = cursor.take(plan.queries * size)
        scoreSlopes = cursor.take(rows * stride)
        keysForScores = cursor.take(Int(rectifid_packed_words(size, stride)))
        valuesForSlopes = cursor.take(Int(rectifid_packed_words(size, stride)))
        keysForQueries = cursor.take(Int(rectifid_packed_words(stride, size)))
        let ifAsked = keysAndValues ? 1 : 0
        keySums = cursor.take(ifAsked * size * stride)
        valueSums = cursor.take(ifAsked * size * stride)
        transposedQueries = cursor.take(ifAsked * size * rows * plan.queryBlocks)
        transposedSlopes = cursor.take(ifAsked * size * rows * plan.queryBlocks)
        packedProbabilities = cursor.take(ifAsked * block)
        packedSlopes = cursor.take(ifAsked * block)
    }

    /// Before the first part of an operation, whatever its memory held.
    func begin() { prepared.initialize(to: nil) }

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
                add(head.logSumExp, index, columns.count, into: sums, accumulate: block > blocks.lowerBound)
            }
            guard let dk, let dv else { continue }
            let stride = plan.keyBlock
            rectifid_narrow_transpose(keySums, stride, dk + first, plan.width, plan.size, columns.count)
            rectifid_narrow_transpose(valueSums, stride, dv + first, plan.width, plan.size, columns.count)
        }
    }

    /// Of all queries: delta, their own rows, and what stands left of a block's P and dS.
    private func prepare(_ head: Head) {
        if prepared.pointee == head.logSumExp { return }
        prepared.pointee = head.logSumExp
        let (size, stride) = (plan.size, plan.queryBlock)
        rectifid_row_dots(head.dy, head.output, plan.width, delta, plan.queries, size)
        for row in 0..<plan.queries {
            (queries + row * size).update(from: head.q + row * plan.width, count: size)
            (slopes + row * size).update(from: head.dy + row * plan.width, count: size)
        }
        guard keysAndValues else { return }
        for index in 0..<plan.queryBlocks {
            let rows = plan.rows(index), from = rows.lowerBound * size
            rectifid_transpose_halves(queries + from, size, transposedQueries + side(index), stride, rows.count, size)
            rectifid_transpose_halves(slopes + from, size, transposedSlopes + side(index), stride, rows.count, size)
        }
    }

    private func side(_ queryBlock: Int) -> Int { queryBlock * plan.queryBlock * plan.size }

    /// A block of queries with a block of keys.
    private func add(
        _ logSumExp: UnsafePointer<Float>, _ index: Int, _ columns: Int, into sums: UnsafeMutablePointer<Float>,
        accumulate: Bool
    ) {
        let rows = plan.rows(index), from = rows.lowerBound * plan.size, stride = plan.keyBlock
        var block = rectifid_slopes(
            q: queries + from, dy: slopes + from, keys: keysForScores, values: valuesForSlopes, stride: plan.size,
            size: plan.size, rows: rows.count, columns: columns, scale: plan.scale,
            lse: logSumExp + rows.lowerBound, delta: delta + rows.lowerBound, ds: scoreSlopes, ds_stride: stride,
            packed_p: keysAndValues ? packedProbabilities : nil, packed_ds: keysAndValues ? packedSlopes : nil)
        rectifid_attention_slopes(&block)
        let keyPairs = (columns + 1) / 2
        rectifid_narrow_product(
            scoreSlopes, stride, keysForQueries, keyPairs, 0, keyPairs, 0, sums + rows.lowerBound * plan.paddedSize,
            plan.paddedSize, rows.count, plan.size, accumulate, nil)
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
            left, plan.queryBlock, right, pairs, 0, pairs, 0, sums, plan.keyBlock,
            plan.size, columns, accumulate, nil)
    }
}
