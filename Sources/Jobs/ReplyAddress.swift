import Broker
import Messages
import RectifIDClient

/// Where the answers to a request go; read before anything else, so that a bad request is answered too.
struct ReplyAddress: Sendable, Equatable {
    /// The request's `reply_to`; nil where it has none that can be used.
    let queue: String?
    let correlationID: String?
    /// The request's `message_id`, or ``unknownJob``.
    let jobID: String
    /// `traceparent` and `tracestate`: the request's, or what an observer puts in their place.
    var trace: [String: HeaderValue]

    /// What stands for the job id in the answer to a request without a usable one; clients know such an answer by its
    /// correlation id.
    static let unknownJob = "unknown-job"

    /// Properties that come with a message are echoed, and an echo that AMQP cannot carry must not stop a worker: what
    /// does not fit is left out here.
    init(_ properties: MessageProperties) {
        queue = properties.replyTo.flatMap { Self.isShortString($0) && !$0.isEmpty ? $0 : nil }
        correlationID = properties.correlationID.flatMap { Self.isShortString($0) ? $0 : nil }
        jobID = properties.messageID.flatMap { Wire.isJobID($0) ? $0 : nil } ?? Self.unknownJob
        var trace: [String: HeaderValue] = [:]
        for name in [Wire.Header.traceParent, Wire.Header.traceState] {
            if let text = properties.headers[name]?.stringValue, text.utf8.count <= 512 { trace[name] = .string(text) }
        }
        self.trace = trace
    }

    /// Whether a text fits AMQP's short string: at most 255 bytes.
    ///
    /// A text that is repaired when it is read (invalid UTF-8) is longer than it was on the wire.
    static func isShortString(_ text: String) -> Bool {
        text.utf8.count <= 255 && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0 != "\u{FFFD}" }
    }

    /// An event as a message to this address.
    func message(_ event: PersonalizeEvent, at time: UnixMilliseconds) -> OutgoingMessage {
        OutgoingMessage(
            MessageProperties(
                contentType: Wire.contentType, type: PersonalizeEvent.typeName, messageID: jobID,
                correlationID: correlationID, timestamp: time / 1000, headers: trace),
            body: event.encode())
    }
}
