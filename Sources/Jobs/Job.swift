import Broker
import Messages
import RectifIDClient

/// A request that a worker has taken, its properties checked and its body read.
struct Job: Sendable {
    let id: String
    let lane: Lane
    /// From 1.
    let attempt: Int
    /// When the job stops being of use.
    let deadline: UnixMilliseconds?
    var request: PersonalizeRequest
    let seed: UInt64
    /// The sequence number of its next event.
    let firstSequence: UInt64

    /// Reads a delivery.
    ///
    /// - Throws: A status with INVALID_ARGUMENT that names the property or field.
    init(_ delivery: Delivery, lane: Lane, limits: MessageLimits) throws(Status) {
        let properties = delivery.properties
        try Self.check(properties)
        guard let id = properties.messageID else {
            throw .property("message_id", "is missing", allowed: "the job's id")
        }
        self.id = id
        self.lane = lane
        attempt = try Self.attempt(properties)
        deadline = try Self.deadline(properties)
        do {
            request = try PersonalizeRequest.decode(delivery.body, limits: limits)
        } catch {
            throw error.status
        }
        seed = request.resume?.seed ?? request.seed ?? PersonalizeRequest.seed(forJob: id)
        firstSequence =
            request.resume?.nextSequence
            ?? properties.headers[JobHeader.nextSequence]?.int64Value.map { UInt64(clamping: $0) } ?? 0
    }

    private static func check(_ properties: MessageProperties) throws(Status) {
        guard properties.contentType == Wire.contentType else {
            throw .property("content_type", "is \(quoted(properties.contentType))", allowed: Wire.contentType)
        }
        guard properties.contentEncoding == nil || properties.contentEncoding == "identity" else {
            throw .property("content_encoding", "is \(quoted(properties.contentEncoding))", allowed: "none")
        }
        guard properties.type == Wire.Method.personalize.rawValue else {
            throw .property("type", "is \(quoted(properties.type))", allowed: Wire.Method.personalize.rawValue)
        }
        guard let id = properties.messageID, Wire.isJobID(id) else {
            throw .property(
                "message_id", "is \(quoted(properties.messageID))",
                allowed: "the job's id, 1 to 128 visible ASCII characters")
        }
        let address = ReplyAddress(properties)
        guard address.queue != nil else {
            throw .property(
                "reply_to", "is \(quoted(properties.replyTo))",
                allowed: "the name of the queue for the replies, at most 255 bytes")
        }
        guard address.correlationID == properties.correlationID else {
            throw .property("correlation_id", "cannot be echoed", allowed: "at most 255 bytes of printable UTF-8")
        }
    }

    private static func attempt(_ properties: MessageProperties) throws(Status) -> Int {
        guard let header = properties.headers[Wire.Header.attempt] else { return 1 }
        guard let made = header.int64Value, (0..<1_000_000).contains(made) else {
            throw .property(Wire.Header.attempt, "is \(header)", allowed: "a whole number, 0 or more")
        }
        return Int(made) + 1
    }

    private static func deadline(_ properties: MessageProperties) throws(Status) -> UnixMilliseconds? {
        guard let header = properties.headers[Wire.Header.deadline] else { return nil }
        guard let deadline = header.int64Value, deadline > 0 else {
            throw .property(
                Wire.Header.deadline, "is not a point in time", allowed: "milliseconds since 1970 UTC, a 64-bit integer"
            )
        }
        return deadline
    }

    private static func quoted(_ text: String?) -> String {
        text.map { "'\($0.prefix(100))'" } ?? "missing"
    }
}

/// Headers that workers write for workers.
enum JobHeader {
    /// Sequence number of the next event, on a request that waits for another attempt.
    static let nextSequence = "rectifid-next-sequence"
    /// Deliveries that failed before the request was published again, since the broker counts a message's own.
    static let redeliveries = "rectifid-redeliveries"
}

extension Delivery {
    /// How often the request came back without a word, also before it was published again.
    var redeliveries: Int {
        let earlier = properties.headers[JobHeader.redeliveries]?.int64Value ?? 0
        return (deliveryCount ?? 0) + Int(min(max(earlier, 0), 1_000_000))
    }
}

extension Status {
    /// A property or header of the message is wrong.
    static func property(_ name: String, _ problem: String, allowed: String) -> Status {
        Status(
            .invalidArgument, "\(name) \(problem); allowed: \(allowed)",
            details: [.fieldViolation(field: name, problem: problem, allowed: allowed)])
    }
}
