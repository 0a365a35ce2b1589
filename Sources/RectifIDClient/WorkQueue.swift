/// One of the queues of a lane.
///
/// A lane has several, its shards, so that a client with a thousand jobs delays only those who share its shard: workers
/// take from the shards in turn. The first is the lane's own queue, for everybody who does not say who they are.
public struct WorkQueue: Hashable, Sendable {
    public var lane: Lane
    /// From 0.
    public var shard: Int

    public init(_ lane: Lane, shard: Int = 0) {
        self.lane = lane
        self.shard = shard
    }

    /// `interactive` for the first shard, `interactive.1` for the second and so on.
    public var routingKey: String { shard == 0 ? lane.rawValue : "\(lane.rawValue).\(shard)" }

    /// The queue that a routing key leads to; nil for one that leads to none.
    public init?(routingKey: String) {
        let parts = routingKey.split(separator: ".", omittingEmptySubsequences: false)
        guard let lane = parts.first.flatMap({ Lane(rawValue: String($0)) }) else { return nil }
        self.init(lane)
        guard parts.count > 1 else { return }
        guard parts.count == 2, let shard = Int(parts[1]), (1..<Pool.maximumShards).contains(shard),
            "\(lane.rawValue).\(shard)" == routingKey
        else { return nil }
        self.shard = shard
    }
}

extension Pool {
    /// Shards of a lane, where nothing else is said.
    ///
    /// Each costs a worker a round trip where it is empty, 0.6 ms with RabbitMQ 3.10 on the same machine (every get from a
    /// quorum queue goes through its log), at most ten times a second. Two clients share one of four with probability 1/4.
    public static let standardShards = 4
    public static let maximumShards = 64

    /// All work queues, lane by lane.
    public var workQueues: [WorkQueue] {
        Lane.allCases.flatMap { lane in (0..<shards).map { WorkQueue(lane, shard: $0) } }
    }

    public func workQueue(_ queue: WorkQueue) -> String { "\(workExchange).\(queue.routingKey)" }

    /// Where the jobs of a client wait.
    ///
    /// The shard is FNV-1a (32 bits, of the name's UTF-8 bytes) modulo the number of shards, in every language.
    /// - Parameter client: Whoever a fair share is for, such as a customer; nil: the lane's own queue.
    public func workQueue(_ lane: Lane, ofClient client: String?) -> WorkQueue {
        guard let client else { return WorkQueue(lane) }
        let hash = client.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return WorkQueue(lane, shard: Int(hash % UInt32(shards)))
    }
}
