/// The one-to-one assignment of rows to columns with the largest sum.
///
/// Looks at every permutation: a picture shows a handful of people, and four have 24.
struct Assignment {
    /// The column of each row.
    private(set) var columns: [Int] = []
    private(set) var total = -Float.infinity

    /// - Parameter scores: A square table.
    init(maximizing scores: [[Float]]) {
        columns = Array(scores.indices)
        extend([], scores)
    }

    private mutating func extend(_ chosen: [Int], _ scores: [[Float]]) {
        guard chosen.count < scores.count else {
            let sum = chosen.enumerated().reduce(0) { $0 + scores[$1.offset][$1.element] }
            if sum > total { (columns, total) = (chosen, sum) }
            return
        }
        for column in scores.indices where !chosen.contains(column) { extend(chosen + [column], scores) }
    }
}
