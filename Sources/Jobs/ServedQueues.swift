import Messages
import RectifIDClient
import Synchronization

/// Which queues a worker takes jobs from, as it found them last: for whoever asks it.
final class ServedQueues: Sendable {
    private let shards = Mutex<[Lane: Int]>([:])

    func note(_ count: Int, of lane: Lane) { shards.withLock { $0[lane] = count } }

    /// By lane; none before the first look.
    var lanes: [ServedLane] {
        let shards = shards.withLock { $0 }
        return Lane.allCases.compactMap { lane in
            shards[lane].map { ServedLane(name: lane.rawValue, weight: lane.weight, shards: $0) }
        }
    }
}
