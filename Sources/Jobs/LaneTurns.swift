import RectifIDClient

extension Lane {
    /// Jobs taken from this lane in a row of 5, while both lanes have some.
    var weight: Int {
        switch self {
        case .interactive: 4
        case .batch: 1
        }
    }
}

/// Decides which lane is asked first, so that neither starves.
struct LaneTurns {
    private var served: [Lane: Int] = [:]

    /// All lanes, the one that is furthest behind its share first.
    var order: [Lane] {
        Lane.allCases.sorted { left, right in
            // served / weight, compared without division.
            (served[left] ?? 0) * right.weight < (served[right] ?? 0) * left.weight
        }
    }

    /// Notes that a job was taken from a lane.
    mutating func count(_ lane: Lane) {
        served[lane, default: 0] += 1
        // A lane that was empty for a while must not make up for it later.
        let total = Lane.allCases.reduce(0) { $0 + $1.weight }
        if served.values.reduce(0, +) >= total { served = [:] }
    }
}
