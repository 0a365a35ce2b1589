public import Broker
public import Messages

/// What a worker says of itself.
public struct WorkerHealth: Sendable, Equatable {
    public var state: WorkerState
    public var broker: BrokerState
    public var jobs: [RunningJob]
    /// Since the start, by how jobs left this worker.
    public var counts: WorkerCounts
}

/// How many jobs left a worker in which way.
public struct WorkerCounts: Sendable, Equatable {
    /// Replied to with a picture.
    public var succeeded: UInt64 = 0
    /// Replied to with any other status.
    public var failed: UInt64 = 0
    /// Sent to wait for another attempt.
    public var retried: UInt64 = 0
    /// Handed back with their state.
    public var handedOver: UInt64 = 0
    /// Given back as they came.
    public var released: UInt64 = 0
    /// Written to the dead letters.
    public var deadLettered: UInt64 = 0

    public init() {}

    mutating func add(_ settlement: Settlement) {
        switch settlement.outcome {
        case .succeeded: succeeded += 1
        case .failed: failed += 1
        case .retried: retried += 1
        case .handedOver: handedOver += 1
        case .released: released += 1
        }
        if settlement.isDeadLettered { deadLettered += 1 }
    }
}
