/// How a convolution by few products is cut.
///
/// Blocks of the tiles of all images and, where these are fewer than the threads, groups of the filter's panels, whose tiles
/// every thread then transforms anew. It changes no bit: every result is a sum of its own, always in the same order.
struct TilePlan {
    /// Tiles below which going through the filter once more costs more than a thread gains.
    private static let leastTiles = 32
    /// Multiplications that pay for waking a thread.
    private static let workGrain = 1 << 19
    /// Tiles that are rows of registers together.
    private static let row = 8

    let tiles, blocks, groups, panels, grain: Int

    var units: Int { blocks * groups }

    /// - Parameters:
    ///   - tiles: Of all images.
    ///   - block: Tiles of a block at most, a multiple of 8.
    ///   - panels: Of the filter.
    ///   - filterNumbers: Of the transformed filter: what a tile is multiplied by.
    ///   - turnsPanels: Every block turns the panels as it goes, so that there should be as few blocks as possible.
    init(tiles: Int, block: Int, panels: Int, filterNumbers: Int, turnsPanels: Bool = false, threads: Int) {
        (self.tiles, self.panels) = (tiles, panels)
        let needed = (tiles + block - 1) / block
        // As many for every thread, where that leaves them large enough.
        let even = (needed + threads - 1) / threads * threads
        blocks = max(1, min(even, max(needed, turnsPanels ? 0 : tiles / TilePlan.leastTiles)))
        groups = min(panels, (threads + blocks - 1) / blocks)
        grain = max(1, TilePlan.workGrain * blocks * groups / max(1, filterNumbers * tiles))
    }

    /// Blocks are whole rows, of which none gets more than its share rounded up: never more tiles than `block`.
    private func bound(_ block: Int) -> Int {
        let rows = (tiles + TilePlan.row - 1) / TilePlan.row
        return min(tiles, rows * block / blocks * TilePlan.row)
    }

    var mostTiles: Int { (0..<blocks).reduce(0) { max($0, bound($1 + 1) - bound($1)) } }
    var mostPanels: Int { (panels + groups - 1) / groups }

    func work(_ unit: Int) -> (tiles: Range<Int>, panels: Range<Int>) {
        let (group, block) = unit.quotientAndRemainder(dividingBy: blocks)
        return (bound(block)..<bound(block + 1), panels * group / groups..<panels * (group + 1) / groups)
    }
}
