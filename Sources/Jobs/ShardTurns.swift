import RectifIDClient

/// The queues of a lane, each in its turn.
struct ShardTurns {
    private(set) var queues: [WorkQueue]
    private var first = 0
    /// When each that was empty a moment ago is asked again.
    private var rests: [WorkQueue: ContinuousClock.Instant] = [:]

    init(_ lane: Lane, count: Int) {
        queues = (0..<count).map { WorkQueue(lane, shard: $0) }
    }

    /// All queues, the one after the last served first.
    var order: [WorkQueue] { Array(queues[first...] + queues[..<first]) }

    func isResting(_ queue: WorkQueue, at now: ContinuousClock.Instant) -> Bool {
        rests[queue].map { now < $0 } ?? false
    }

    mutating func served(_ queue: WorkQueue) {
        rests[queue] = nil
        first = (queue.shard + 1) % queues.count
    }

    mutating func foundEmpty(_ queue: WorkQueue, restsUntil end: ContinuousClock.Instant) {
        rests[queue] = end
    }
}
