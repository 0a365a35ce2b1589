public import Broker
public import Messages
public import RectifIDClient

/// A job that was given up, as the dead-letter queue has it, without its body.
public struct DeadLetter: Sendable, Equatable {
    /// Names this letter among all: 16 hexadecimal digits, the same at every look.
    ///
    /// A job can have several letters, and a message that never had a job's id can be a letter too.
    public var id: String { String(fingerprint, radix: 16).leftPadded(to: 16) }
    /// The job's id, or what stood in its place.
    public var jobID: String
    public var header: DeadLetterHeader
    /// The queue that the job came from.
    public var workQueue: WorkQueue
    public var lane: Lane { workQueue.lane }
    /// Bytes of the request.
    public var size: Int
    public var properties: MessageProperties
    /// The deaths that the broker noted, newest first.
    public var deaths: [Death]
    /// What failed before an operator sent the job back to work.
    public var history: DeadLetterHistory
    /// Who put the letter into the bin, and when; nil for one that is not there.
    public var discard: Discard?

    public struct Discard: Sendable, Equatable {
        public var operatorName: String
        public var time: UnixMilliseconds?
    }

    let fingerprint: UInt64

    init(_ delivery: Delivery) {
        let headers = delivery.properties.headers
        jobID = delivery.properties.messageID ?? "(none)"
        header = DeadLetterHeader(delivery)
        workQueue = WorkQueue(routingKey: delivery.routingKey) ?? WorkQueue(.batch)
        size = delivery.omittedBodySize.map { Int(clamping: $0) } ?? delivery.body.count
        properties = delivery.properties
        deaths = delivery.deathTrail
        history = DeadLetterHistory(headers)
        discard = headers[Wire.Header.discardOperator]?.stringValue.map {
            Discard(operatorName: $0, time: headers[Wire.Header.discardTime]?.int64Value)
        }
        fingerprint = Fingerprint.of(delivery)
    }

    /// Whoever the letter can be traced to, best first: the client by its own name, the application, the user, the queue
    /// for the replies.
    public var clients: [String] {
        [properties.headers[Wire.Header.client]?.stringValue, properties.appID, properties.userID, properties.replyTo]
            .compactMap { $0 }
    }
}

/// What a dead letter holds.
public struct DeadLetterBody: Sendable {
    /// The bytes; empty where ``omittedSize`` is set.
    public let bytes: [UInt8]
    /// The size of a body above the connection's limit, which was not kept.
    public let omittedSize: Int?
    /// The request, or why the bytes are none.
    public let request: Result<PersonalizeRequest, MessageError>

    init(_ delivery: Delivery) {
        bytes = delivery.body
        omittedSize = delivery.omittedBodySize.map { Int(clamping: $0) }
        if let omittedSize {
            request = .failure(
                MessageError(
                    kind: .tooLarge, field: PersonalizeRequest.typeName, problem: "has \(omittedSize) bytes",
                    allowed: "what this connection reads"))
        } else {
            // Whatever a worker's limit was: it is looked at here, not worked on.
            let limits = MessageLimits(maximumBytes: max(delivery.body.count, 1))
            request = Result { () throws(MessageError) in
                try PersonalizeRequest.decode(delivery.body, limits: limits)
            }
        }
    }

    /// The model asked for; nil where the request leaves it to the worker or cannot be read.
    public var model: String? { try? request.get().modelID }
}

/// Tells letters apart (FNV-1a, 64 bits).
struct Fingerprint {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func mix(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
        // Ends the part, so that parts cannot run into each other.
        value = (value ^ 0xFF) &* 0x100_0000_01B3
    }

    mutating func mix(_ text: String?) { mix((text ?? "").utf8) }

    mutating func mix(_ number: Int64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            value = (value ^ UInt64(truncatingIfNeeded: number >> shift) & 0xFF) &* 0x100_0000_01B3
        }
    }

    mutating func mix(_ header: HeaderValue) {
        switch header {
        case .string(let text): mix(text.utf8)
        case .int64(let number), .timestamp(let number): mix(number)
        case .bool(let truth): mix(Int64(truth ? 1 : 0))
        case .double(let number): mix(Int64(bitPattern: number.bitPattern))
        case .bytes(let bytes): mix(bytes)
        case .null: mix(Int64(0))
        case .array(let values): for value in values { mix(value) }
        case .table(let table):
            for (key, value) in table.sorted(by: { $0.key < $1.key }) {
                mix(key.utf8)
                mix(value)
            }
        }
    }

    /// Of everything in a message that no look changes; of the body as much as tells messages apart.
    static func of(_ delivery: Delivery) -> UInt64 {
        var print = Fingerprint()
        let properties = delivery.properties
        for text in [properties.messageID, properties.correlationID, properties.replyTo, properties.type] {
            print.mix(text)
        }
        print.mix(properties.timestamp ?? 0)
        print.mix(delivery.routingKey)
        // RabbitMQ counts deliveries in headers that begin with x-.
        print.mix(.table(properties.headers.filter { !$0.key.hasPrefix("x-") || $0.key == "x-death" }))
        print.mix(Int64(delivery.body.count))
        print.mix(delivery.body.prefix(4096))
        return print.value
    }
}

extension String {
    func leftPadded(to count: Int) -> String { String(repeating: "0", count: max(0, count - utf8.count)) + self }
}

extension Delivery {
    /// The broker's deaths, also those that were written down before the letter was moved.
    var deathTrail: [Death] {
        guard properties.headers["x-death"] == nil, let trail = properties.headers[Wire.Header.deathTrail] else {
            return deaths
        }
        var moved = self
        moved.properties.headers["x-death"] = trail
        return moved.deaths
    }
}
