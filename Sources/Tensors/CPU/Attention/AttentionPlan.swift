/// How an attention is cut: heads of every image, blocks of queries and of keys within each.
struct AttentionPlan {
    /// Bytes that a head's shares of the queries' derivative may take, see ``AttentionShares``.
    private static let shareBytes = 256 << 20

    let images, heads, queries, keys, size, queryBlock, keyBlock: Int
    var width: Int { heads * size }
    var units: Int { images * heads }
    var queryBlocks: Int { (queries + queryBlock - 1) / queryBlock }
    var keyBlocks: Int { (keys + keyBlock - 1) / keyBlock }
    var scale: Float { 1 / Float(size).squareRoot() }
    /// Columns of a head, as products write them.
    var paddedSize: Int { (size + 15) / 16 * 16 }
    /// Numbers of one share of the queries' derivative, `[queries, paddedSize]`.
    var shareNumbers: Int { queries * paddedSize }
    /// Blocks that pay for a thread.
    var grain: Int { max(1, CPU.productGrain / max(1, queryBlock * keys * size)) }

    /// Parts of a head's keys for its derivative, enough for sixteen threads: the shapes alone say how many, never the
    /// threads, so that sums round alike everywhere.
    var gradientParts: Int {
        let most = AttentionPlan.shareBytes / (shareNumbers * MemoryLayout<Float>.stride)
        return max(1, min(keyBlocks, 16 / units, most))
    }

    /// - Parameters:
    ///   - q: `[N, T, C]`, of which nothing is zero.
    ///   - k: `[N, S, C]`.
    init(_ q: Shape, _ k: Shape, heads: Int, queryBlock: Int, keyBlock: Int) {
        (images, queries, keys) = (q[0], q[1], k[1])
        (self.heads, size) = (heads, q[2] / heads)
        (self.queryBlock, self.keyBlock) = (queryBlock, keyBlock)
    }

    func rows(_ block: Int) -> Range<Int> { block * queryBlock..<min(queries, (block + 1) * queryBlock) }

    func columns(_ block: Int) -> Range<Int> { block * keyBlock..<min(keys, (block + 1) * keyBlock) }

    /// Blocks of keys of one of the parts.
    func keyBlocks(of part: Int) -> Range<Int> {
        keyBlocks * part / gradientParts..<keyBlocks * (part + 1) / gradientParts
    }

    /// First element of some queries of a head; `unit` counts the heads of all images.
    func queryOffset(_ unit: Int, _ rows: Range<Int>) -> Int {
        (unit / heads * queries + rows.lowerBound) * width + unit % heads * size
    }

    /// First element of a head's keys.
    func keyOffset(_ unit: Int) -> Int { unit / heads * keys * width + unit % heads * size }
}
