/// A queue and its arguments.
///
/// The broker refuses to re-declare a queue with other arguments, so operators often prefer policies for limits and
/// dead lettering; what is nil here is not sent.
public struct Queue: Sendable, Equatable {
    /// How the broker stores a queue (`x-queue-type`).
    public enum Kind: String, Sendable, Equatable {
        case classic
        /// Replicated, durable, counts deliveries.
        case quorum
        /// A durable log that reading takes nothing from: for ``Broker/read(stream:since:prefetch:)`` alone.
        case stream
    }

    /// What a full queue does (`x-overflow`).
    public enum Overflow: String, Sendable, Equatable {
        case dropHead = "drop-head"
        /// Publishers get a negative confirm, ``BrokerError/refused(exchange:routingKey:)``.
        case rejectPublish = "reject-publish"
    }

    /// How safely messages reach the dead-letter exchange (`x-dead-letter-strategy`, quorum queues).
    public enum DeadLetterStrategy: String, Sendable, Equatable {
        case atMostOnce = "at-most-once"
        /// Needs ``Overflow/rejectPublish``.
        case atLeastOnce = "at-least-once"
    }

    public var name: String
    public var kind: Kind
    public var isDurable: Bool
    public var isExclusive: Bool
    public var isAutoDelete: Bool
    /// How often a message may be taken back before it is dead-lettered (`x-delivery-limit`, quorum queues).
    public var deliveryLimit: Int?
    /// How long a message may wait (`x-message-ttl`).
    public var messageTTL: Duration?
    /// How long the queue may be unused before it is deleted (`x-expires`).
    public var unusedExpiry: Duration?
    /// How many ready messages the queue holds (`x-max-length`).
    public var maximumLength: Int?
    /// How many bytes of ready messages the queue holds (`x-max-length-bytes`).
    public var maximumBytes: Int?
    /// How old what a stream holds may be (`x-max-age`), in whole seconds; only full segments are looked at.
    public var maximumAge: Duration?
    /// How many bytes of a stream are thrown away together, when they are too old or too many
    /// (`x-stream-max-segment-size-bytes`).
    public var segmentBytes: Int?
    public var overflow: Overflow?
    /// Where rejected, expired and overflowing messages go; the empty name is the default exchange.
    public var deadLetterExchange: String?
    /// The routing key they go with; nil: their own.
    public var deadLetterRoutingKey: String?
    public var deadLetterStrategy: DeadLetterStrategy?
    public var isSingleActiveConsumer: Bool
    /// Arguments that have no property here; they win over the properties.
    public var otherArguments: [String: HeaderValue]

    public init(
        _ name: String, kind: Kind = .quorum, isDurable: Bool = true, isExclusive: Bool = false,
        isAutoDelete: Bool = false, deliveryLimit: Int? = nil, messageTTL: Duration? = nil,
        unusedExpiry: Duration? = nil, maximumLength: Int? = nil, maximumBytes: Int? = nil,
        maximumAge: Duration? = nil, segmentBytes: Int? = nil, overflow: Overflow? = nil,
        deadLetterExchange: String? = nil, deadLetterRoutingKey: String? = nil,
        deadLetterStrategy: DeadLetterStrategy? = nil, isSingleActiveConsumer: Bool = false,
        otherArguments: [String: HeaderValue] = [:]
    ) {
        self.name = name
        self.kind = kind
        self.isDurable = isDurable
        self.isExclusive = isExclusive
        self.isAutoDelete = isAutoDelete
        self.deliveryLimit = deliveryLimit
        self.messageTTL = messageTTL
        self.unusedExpiry = unusedExpiry
        self.maximumLength = maximumLength
        self.maximumBytes = maximumBytes
        self.maximumAge = maximumAge
        self.segmentBytes = segmentBytes
        self.overflow = overflow
        self.deadLetterExchange = deadLetterExchange
        self.deadLetterRoutingKey = deadLetterRoutingKey
        self.deadLetterStrategy = deadLetterStrategy
        self.isSingleActiveConsumer = isSingleActiveConsumer
        self.otherArguments = otherArguments
    }

    /// The argument table of queue.declare.
    /// - Throws: ``BrokerError/invalid(_:)`` for a duration that RabbitMQ cannot express.
    public func arguments() throws(BrokerError) -> [String: HeaderValue] {
        var table: [String: HeaderValue] = ["x-queue-type": .string(kind.rawValue)]
        if let deliveryLimit { table["x-delivery-limit"] = .int64(Int64(deliveryLimit)) }
        if let messageTTL { table["x-message-ttl"] = .int64(try messageTTL.wholeMilliseconds("message TTL")) }
        if let unusedExpiry { table["x-expires"] = .int64(try unusedExpiry.wholeMilliseconds("queue expiry")) }
        if let maximumLength { table["x-max-length"] = .int64(Int64(maximumLength)) }
        if let maximumBytes { table["x-max-length-bytes"] = .int64(Int64(maximumBytes)) }
        if let maximumAge { table["x-max-age"] = .string("\(max(maximumAge.components.seconds, 1))s") }
        if let segmentBytes { table["x-stream-max-segment-size-bytes"] = .int64(Int64(segmentBytes)) }
        if let overflow { table["x-overflow"] = .string(overflow.rawValue) }
        if let deadLetterExchange { table["x-dead-letter-exchange"] = .string(deadLetterExchange) }
        if let deadLetterRoutingKey { table["x-dead-letter-routing-key"] = .string(deadLetterRoutingKey) }
        if let deadLetterStrategy { table["x-dead-letter-strategy"] = .string(deadLetterStrategy.rawValue) }
        if isSingleActiveConsumer { table["x-single-active-consumer"] = .bool(true) }
        return table.merging(otherArguments) { $1 }
    }
}
