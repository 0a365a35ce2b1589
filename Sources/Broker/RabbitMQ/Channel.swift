/// One open channel of the consuming connection, which owns it; who uses it refers to it weakly.
final class Channel {
    /// What a channel is used for; one purpose each, so that an error hits only the call that caused it.
    enum Use {
        case control
        case subscription(Subscription)
        case get(GetLine)
    }

    let number: UInt16
    let epoch: UInt64
    let use: Use
    var isOpen = false
    /// Closed by this side as soon as everything is settled.
    var isEnding = false
    var isClosing = false
    var unsettled: Set<UInt64> = []
    /// Whether its deliveries come from a stream, which takes nothing back.
    var isOfStream: Bool {
        if case .subscription(let subscription) = use { subscription.request.streamOffset != nil } else { false }
    }
    var assembly: Assembly?

    init(number: UInt16, epoch: UInt64, use: Use) {
        self.number = number
        self.epoch = epoch
        self.use = use
    }
}

/// A delivery whose content is still arriving.
struct Assembly {
    let tag: UInt64
    let isRedelivered: Bool
    let exchange: String
    let routingKey: String
    private var properties = MessageProperties()
    private var body: [UInt8] = []
    private var announced: UInt64 = 0
    private var received: UInt64 = 0
    private var isOmitted = false

    init(tag: UInt64, isRedelivered: Bool, exchange: String, routingKey: String) {
        self.tag = tag
        self.isRedelivered = isRedelivered
        self.exchange = exchange
        self.routingKey = routingKey
    }

    /// Whether the announced body is here.
    var isComplete: Bool { received >= announced }

    /// Notes the content header; a body above `limit` bytes is counted and not kept.
    ///
    /// - Parameter limit: nil where there is room for none.
    mutating func begin(_ properties: MessageProperties, bodySize: UInt64, limit: Int?) {
        self.properties = properties
        announced = bodySize
        isOmitted = limit.map { bodySize > UInt64($0) } ?? true
        if !isOmitted { body.reserveCapacity(Int(bodySize)) }
    }

    mutating func append(_ piece: UnsafeRawBufferPointer) {
        received += UInt64(piece.count)
        if !isOmitted { body.append(contentsOf: piece) }
    }

    func delivery(from queue: String, channelEpoch: UInt64) -> Delivery {
        var properties = properties
        properties.headers[PublishRole.tagHeader] = nil
        return Delivery(
            properties: properties, body: body, omittedBodySize: isOmitted ? announced : nil, exchange: exchange,
            routingKey: routingKey, queue: queue, isRedelivered: isRedelivered,
            receipt: Receipt(channelEpoch: channelEpoch, deliveryTag: tag))
    }
}

/// A subscription, over all the channels it will have.
final class Subscription {
    let request: SubscribeRequest
    /// Whether the first basic.consume has succeeded.
    var isEstablished = false
    weak var channel: Channel?
    var cancelCall: Call<Void>?
    var retryAt: ContinuousClock.Instant?
    var backoff = Backoff()
    /// Bytes of bodies that may still come, where that is limited.
    private var room: Int?

    init(_ request: SubscribeRequest) {
        self.request = request
        room = request.room
    }

    /// Whether there is room for a body; takes what it needs, which may be more than is left.
    func makeRoom(for bodySize: UInt64) -> Bool {
        guard let room else { return true }
        self.room = room - Int(clamping: bodySize)
        return room > 0
    }
}

/// A subscription as it is asked for.
struct SubscribeRequest: Sendable {
    var id: UInt64
    var queue: String
    var prefetch: UInt16
    var tag: String
    /// Where to start in a stream (`x-stream-offset`); nil for other queues.
    var streamOffset: String?
    /// Bytes of bodies to keep, nil for all.
    ///
    /// What comes when they are used up comes without its body.
    var room: Int?
    var buffer: DeliveryBuffer
    var deadline: ContinuousClock.Instant
    var call: Call<Void>
}

/// The basic.gets of one queue, one after the other.
final class GetLine {
    let queue: String
    weak var channel: Channel?
    var requests = Fifo<GetRequest>()
    var isAsking = false

    init(queue: String) { self.queue = queue }
}

/// One basic.get as it is asked for.
struct GetRequest: Sendable {
    var deadline: ContinuousClock.Instant
    var call: Call<Delivery?>
}

/// Declarations and questions that go one after the other over one channel.
struct ControlJob: Sendable {
    var steps: [ClientMethod]
    var deadline: ContinuousClock.Instant?
    var call: Call<ServerMethod?>?
    /// Steps to repeat after every reconnect, once the job has succeeded.
    var remembers: [ClientMethod] = []
    /// Runs after a reconnect, not for a caller.
    var recovery: Recovery?
    var position = 0
    var lastAnswer: ServerMethod?

    enum Recovery: Sendable, Equatable {
        case declaration
        /// Everything is declared again: subscribe.
        case subscribeAll
        case subscribe(UInt64)
    }
}
