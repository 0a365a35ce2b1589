import Synchronization

/// A message on its way to the broker.
public struct OutgoingMessage: Sendable, Equatable {
    public var properties: MessageProperties
    public var body: [UInt8]

    public init(_ properties: MessageProperties = MessageProperties(), body: [UInt8]) {
        self.properties = properties
        self.body = body
    }
}

/// A message that the broker handed over, to be settled through its ``receipt``.
public struct Delivery: Sendable, Equatable {
    public var properties: MessageProperties
    /// The bytes; empty where ``omittedBodySize`` is set.
    public var body: [UInt8]
    /// The size of a body above the configured cap, which was not kept.
    public var omittedBodySize: UInt64?
    /// The exchange that the message was published to.
    public var exchange: String
    public var routingKey: String
    /// The queue that was consumed or read.
    public var queue: String
    /// Whether the broker delivered the message before, here or elsewhere.
    public var isRedelivered: Bool
    /// What settles the delivery; keep it instead of the whole message where memory counts.
    public var receipt: Receipt
}

extension Delivery {
    /// How often a quorum queue has taken the message back (`x-delivery-count`); nil from a classic queue.
    public var deliveryCount: Int? {
        properties.headers["x-delivery-count"]?.int64Value.map(Int.init(clamping:))
    }
}

/// Identifies one delivery on one channel of one connection.
public struct Receipt: Sendable, Hashable {
    /// Unique per opened channel in this process, so that a receipt never fits another channel or connection.
    let channelEpoch: UInt64
    let deliveryTag: UInt64

    private static let epochs = Atomic<UInt64>(1)

    /// A number that no channel of this process has had.
    static func nextEpoch() -> UInt64 { epochs.add(1, ordering: .relaxed).oldValue }
}

/// How full a queue is.
public struct QueueDepth: Sendable, Equatable {
    /// Messages ready for delivery; unacknowledged ones are not counted.
    public var messages: Int
    public var consumers: Int

    public init(messages: Int, consumers: Int) {
        self.messages = messages
        self.consumers = consumers
    }
}
