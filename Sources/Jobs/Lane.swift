/// A class of service: each has a work queue of its own.
///
/// Two queues consumed with weights, rather than message priorities: quorum queues have none before RabbitMQ 4, two
/// levels up to 4.2, and strict ones only later.
public enum Lane: String, Sendable, CaseIterable {
    /// Somebody waits for the picture.
    case interactive
    /// Nobody looks on.
    case batch

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
