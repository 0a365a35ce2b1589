public import Broker

/// The workers that share a set of queues, and the names of everything they have on the broker.
///
/// This is the one place where names are made. With the default name:
///
///     rectifid.work                 direct exchange, routing key = lane, or lane.shard
///     rectifid.work.interactive     work queues, ``shards`` for each lane: this one, and
///     rectifid.work.interactive.1   those for clients that say who they are
///     rectifid.work.batch
///     rectifid.retry.5s             fanout exchange and queue, one per delay; expired messages go back to rectifid.work
///     rectifid.retry.30s            with the routing key they came with, which is their lane
///     rectifid.retry.2min
///     rectifid.retry.10min
///     rectifid.dead                 fanout exchange and queue: dead letters
///     rectifid.dead.bin             fanout exchange and queue: discarded dead letters, until their time is up
///     rectifid.audit                queue: what operators did to dead letters
///     rectifid.dead.lock            exclusive queue of the one operator who takes dead letters just now
///     rectifid.control              fanout exchange: every worker binds a queue of its own
///     rectifid.cancel               fanout exchange for cancellations: as the former, and a stream that keeps them a day
public struct Pool: Sendable, Equatable {
    /// What all names begin with: 1 to 100 letters, digits, dots, underscores and hyphens.
    public let name: String
    /// How long a failed job waits before its second attempt, its third and so on; the last delay serves the rest.
    ///
    /// One queue per delay, since a queue expires messages only at its head: with a delay per message, a short one would
    /// wait behind a long one.
    public let retryDelays: [Duration]
    /// How often the broker may take a job back before it dead-letters it by itself.
    ///
    /// Only a net: workers settle poisonous jobs earlier (`WorkerConfiguration.maximumRedeliveries`) and tell the
    /// client, which the broker cannot.
    public let deliveryLimit: Int
    /// How many jobs may wait in a queue; a client that publishes more gets a negative confirm.
    public let maximumLength: Int
    /// How many bytes the jobs of a queue may have; nil: as many as the broker's disk takes.
    public let maximumBytes: Int?
    /// How many queues a lane has, see ``WorkQueue``; 1 to 64.
    ///
    /// Changing it strands no job: workers also serve queues that exist beyond it, and a client whose shard is missing
    /// publishes to the lane's own queue.
    public let shards: Int

    /// The pool `rectifid`.
    public static let standard = Pool(checked: "rectifid")

    public static let standardRetryDelays: [Duration] = [.seconds(5), .seconds(30), .seconds(120), .seconds(600)]

    private init(checked name: String) {
        self.name = name
        retryDelays = Self.standardRetryDelays
        deliveryLimit = 20
        maximumLength = 100_000
        maximumBytes = nil
        shards = Self.standardShards
    }

    /// - Throws: `BrokerError.invalid` for a name or a number that the broker would not take.
    public init(
        _ name: String, retryDelays: [Duration] = Pool.standardRetryDelays, deliveryLimit: Int = 20,
        maximumLength: Int = 100_000, maximumBytes: Int? = nil, shards: Int = Pool.standardShards
    ) throws(BrokerError) {
        let isPlain = name.unicodeScalars.allSatisfy {
            switch $0 {
            case "a"..."z", "A"..."Z", "0"..."9", ".", "_", "-": true
            default: false
            }
        }
        guard isPlain, (1...100).contains(name.utf8.count) else {
            throw .invalid("pool name '\(name.prefix(100))': use 1 to 100 of A-Z a-z 0-9 . _ and -")
        }
        guard !retryDelays.isEmpty, retryDelays.allSatisfy({ $0 >= .milliseconds(1) }),
            Set(retryDelays).count == retryDelays.count
        else { throw .invalid("retry delays \(retryDelays): give one or more, all different, of 1 ms or more") }
        // -1 means no limit to RabbitMQ 4 and "dead-letter at the first return" to 3.10.
        guard deliveryLimit > 0, maximumLength > 0, maximumBytes ?? 1 > 0 else {
            throw .invalid(
                "delivery limit \(deliveryLimit), length \(maximumLength), bytes \(maximumBytes ?? 1): all must be positive"
            )
        }
        guard (1...Self.maximumShards).contains(shards) else {
            throw .invalid("\(shards) shards: 1 to \(Self.maximumShards) are possible")
        }
        self.name = name
        self.retryDelays = retryDelays
        self.deliveryLimit = deliveryLimit
        self.maximumLength = maximumLength
        self.maximumBytes = maximumBytes
        self.shards = shards
    }
}

/// Names.
extension Pool {
    public var workExchange: String { "\(name).work" }
    /// The lane's own queue.
    public func workQueue(_ lane: Lane) -> String { workQueue(WorkQueue(lane)) }

    /// The exchange of a delay, and the queue behind it.
    public func retryExchange(_ delay: Duration) -> String { "\(name).retry.\(Self.label(delay))" }

    public var deadLetterExchange: String { "\(name).dead" }
    public var deadLetterQueue: String { "\(name).dead" }
    /// The exchange of discarded dead letters, and the queue behind it.
    public var deadLetterBin: String { "\(name).dead.bin" }
    public var deadLetterLock: String { "\(name).dead.lock" }
    public var auditQueue: String { "\(name).audit" }

    public var controlExchange: String { "\(name).control" }
    /// Cancellations go here: to every worker at once, and to ``cancellationStream`` for those that do not listen.
    public var cancelExchange: String { "\(name).cancel" }
    public var cancellationStream: String { "\(name).cancel" }
    /// How long a cancellation stands, also for a worker that starts after it.
    public static let cancellationLife = Duration.seconds(86_400)

    public func controlQueue(ofWorker id: String) -> String { "\(name).control.\(id)" }

    /// How long a job waits after its attempt `attempt`, counted from 1.
    ///
    /// - Parameter least: What the failure asked for; the first longer delay serves, or else the last.
    public func retryDelay(afterAttempt attempt: Int, atLeast least: Duration = .zero) -> Duration {
        let usual = min(max(attempt, 1), retryDelays.count) - 1
        // Half a delay is the least that its jitter leaves.
        return retryDelays[usual...].first { $0 / 2 >= least } ?? retryDelays[retryDelays.count - 1]
    }

    /// A delay as part of a name: `500ms`, `5s`, `2min`.
    static func label(_ delay: Duration) -> String {
        let milliseconds = delay.milliseconds
        if milliseconds % 60_000 == 0 { return "\(milliseconds / 60_000)min" }
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }
}
