/// How products of many rows with one packed matrix are cut: rows of numbers, or tiles of a convolution by few products.
///
/// Blocks of rows and, where these are too few, groups of the matrix's panels. It changes no bit: every result
/// is a sum of its own, always in the same order.
struct BlockPlan {
    /// Rows that registers hold together.
    private static let row = 8

    let rows, blocks, groups, panels, grain: Int

    var units: Int { blocks * groups }

    /// - Parameters:
    ///   - rows: Of all images.
    ///   - block: Rows of a block at most, a multiple of 8; what a row is made of may take memory.
    ///   - least: Rows below which going through the matrix once more costs more than a thread gains.
    ///   - panels: Of the matrix.
    ///   - work: Multiplications of a row.
    ///   - units: As many as there are threads, or, where being cut costs little, a multiple: a slow thread leaves some to
    ///     the others.
    init(rows: Int, block: Int, least: Int, panels: Int, work: Int, units: Int) {
        (self.rows, self.panels) = (rows, panels)
        let needed = (rows + block - 1) / block
        // As many for every thread, where that leaves them large enough.
        let even = (needed + units - 1) / units * units
        blocks = max(1, min(even, max(needed, rows / least)))
        groups = min(panels, (units + blocks - 1) / blocks)
        grain = max(1, CPU.productGrain * blocks * groups / max(1, work * rows))
    }

    /// Blocks are whole rows of registers, of which none gets more than its share rounded up: never more than `block`.
    private func bound(_ block: Int) -> Int {
        let whole = (rows + BlockPlan.row - 1) / BlockPlan.row
        return min(rows, whole * block / blocks * BlockPlan.row)
    }

    var mostRows: Int { (0..<blocks).reduce(0) { max($0, bound($1 + 1) - bound($1)) } }
    var mostPanels: Int { (panels + groups - 1) / groups }

    func work(_ unit: Int) -> (rows: Range<Int>, panels: Range<Int>) {
        let (group, block) = unit.quotientAndRemainder(dividingBy: blocks)
        return (bound(block)..<bound(block + 1), panels * group / groups..<panels * (group + 1) / groups)
    }
}
