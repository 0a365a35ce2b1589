/// The basic properties of an AMQP message (AMQP 0-9-1, class basic).
public struct MessageProperties: Sendable, Equatable {
    public var contentType: String?
    public var contentEncoding: String?
    /// What the message is, for example a method name.
    public var type: String?
    public var messageID: String?
    public var correlationID: String?
    /// Name of the queue that answers go to.
    public var replyTo: String?
    /// Whether the message survives a restart of the broker.
    public var isPersistent: Bool
    /// Seconds since 1970.
    public var timestamp: Int64?
    /// How long the message may wait in a queue, in whole milliseconds.
    public var expiration: Duration?
    public var priority: UInt8?
    /// The authenticated user; the broker refuses a name other than the connection's.
    public var userID: String?
    public var appID: String?
    public var headers: [String: HeaderValue]

    public init(
        contentType: String? = nil, contentEncoding: String? = nil, type: String? = nil, messageID: String? = nil,
        correlationID: String? = nil, replyTo: String? = nil, isPersistent: Bool = true, timestamp: Int64? = nil,
        expiration: Duration? = nil, priority: UInt8? = nil, userID: String? = nil, appID: String? = nil,
        headers: [String: HeaderValue] = [:]
    ) {
        self.contentType = contentType
        self.contentEncoding = contentEncoding
        self.type = type
        self.messageID = messageID
        self.correlationID = correlationID
        self.replyTo = replyTo
        self.isPersistent = isPersistent
        self.timestamp = timestamp
        self.expiration = expiration
        self.priority = priority
        self.userID = userID
        self.appID = appID
        self.headers = headers
    }
}

extension MessageProperties {
    /// Bytes of the content header frame's payload: class, weight, body size, flags and the properties present.
    /// - Throws: ``BrokerError/invalid(_:)`` for a short string above 255 bytes or a negative time.
    func encodedSize() throws(BrokerError) -> Int {
        var size = 14 + 1  // The delivery mode is always sent.
        let shortStrings: [(String, String?)] = [
            ("content type", contentType), ("content encoding", contentEncoding), ("type", type),
            ("message id", messageID), ("correlation id", correlationID), ("reply-to", replyTo), ("user id", userID),
            ("app id", appID), ("expiration", try expirationText()),
        ]
        for case (let name, let text?) in shortStrings {
            try checkShortString(text, name)
            size += 1 + text.utf8.count
        }
        if let timestamp {
            guard timestamp >= 0 else { throw .invalid("timestamp \(timestamp) lies before 1970") }
            size += 8
        }
        if priority != nil { size += 1 }
        if !headers.isEmpty { size += try HeaderValue.encodedSize(of: headers) }
        return size
    }

    /// The expiration as AMQP wants it: decimal milliseconds.
    func expirationText() throws(BrokerError) -> String? {
        guard let expiration else { return nil }
        guard expiration >= .zero else { throw .invalid("expiration \(expiration) is negative") }
        return try String(expiration.wholeMilliseconds("expiration"))
    }
}

/// Refuses text that does not fit an AMQP short string.
func checkShortString(_ text: String, _ name: String) throws(BrokerError) {
    guard text.utf8.count <= 255 else {
        throw .invalid("\(name) has \(text.utf8.count) bytes, AMQP allows 255")
    }
}

extension Duration {
    /// The duration in whole milliseconds, as RabbitMQ's arguments want it, at most 2^32 - 1 (49 days).
    func wholeMilliseconds(_ name: String) throws(BrokerError) -> Int64 {
        guard self >= .zero, self <= .milliseconds(Int64(UInt32.max)) else {
            throw .invalid("\(name) of \(self) is outside 0 to \(UInt32.max) ms")
        }
        return components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
