/// What went wrong between this process and the broker.
public enum BrokerError: Error, Sendable, Equatable {
    /// A mandatory message reached no queue (basic.return).
    case unroutable(exchange: String, routingKey: String)
    /// The broker refused responsibility for a message (basic.nack): the queue is full and rejects publishes.
    case refused(exchange: String, routingKey: String)
    /// The body is larger than this broker's configuration allows.
    case messageTooLarge(bytes: Int, limit: Int)
    /// Properties and headers do not fit the one frame that AMQP gives them.
    case headerTooLarge(bytes: Int, limit: Int)
    /// A property, name or argument cannot be expressed in AMQP.
    case invalid(String)
    /// No answer within the time limit; for a publish the message may yet arrive.
    case timedOut(operation: String, after: Duration, reason: String?)
    /// The connection could not be made or was lost.
    case disconnected(String)
    /// User name, password or certificate refused, or no access to the virtual host.
    case authenticationFailed(String)
    /// TLS failed in a way that trying again does not mend: one side does not accept the other's certificate, or they have
    /// no version or cipher in common.
    case encryptionFailed(String)
    /// The channel of this delivery is gone, or the delivery is settled already.
    case staleDelivery
    /// No such queue, exchange or virtual host (404).
    case notFound(String)
    /// The user lacks the permission (403).
    case accessRefused(String)
    /// The queue is exclusive to another connection (405).
    case resourceLocked(String)
    /// It exists with other arguments, or an argument is refused (406).
    case preconditionFailed(String)
    /// Any other error that the broker gave to a call.
    case failed(code: Int, text: String)
    /// The broker cancelled the consumer and it could not be subscribed again.
    case consumerCancelled(queue: String)
    /// The calling task was cancelled; what was asked for may have happened.
    case cancelled
    /// This broker was closed by ``Broker/close()``.
    case closed

    /// Whether the same call can succeed later without anybody changing anything but the weather.
    public var isTransient: Bool {
        switch self {
        case .refused, .timedOut, .disconnected, .resourceLocked, .consumerCancelled: true
        // An operator's connection-forced; no channel left, no resources, an error inside the broker.
        case .failed(let code, _): [320, 504, 506, 541].contains(code)
        case .unroutable, .messageTooLarge, .headerTooLarge, .invalid, .authenticationFailed, .encryptionFailed,
            .staleDelivery, .notFound, .accessRefused, .preconditionFailed, .cancelled, .closed:
            false
        }
    }
}

extension BrokerError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unroutable(let exchange, let key):
            "message returned: no queue is bound to exchange '\(exchange)' for routing key '\(key)'"
        case .refused(let exchange, let key):
            "message refused by a full queue behind exchange '\(exchange)', routing key '\(key)'; try again later"
        case .messageTooLarge(let bytes, let limit):
            "message body has \(bytes) bytes, the limit is \(limit)"
        case .headerTooLarge(let bytes, let limit):
            "message properties take \(bytes) bytes, one frame holds \(limit); shorten the headers"
        case .invalid(let reason): reason
        case .timedOut(let operation, let limit, let reason):
            "\(operation) was not answered within \(limit)" + (reason.map { " (\($0))" } ?? "")
        case .disconnected(let reason): "not connected to the broker: \(reason)"
        case .authenticationFailed(let reason): "the broker refused the login: \(reason)"
        case .encryptionFailed(let reason): "no encrypted connection to the broker: \(reason)"
        case .staleDelivery:
            "the delivery is settled already or its channel is gone; the broker redelivers unsettled messages"
        case .notFound(let text), .resourceLocked(let text), .preconditionFailed(let text): text
        case .accessRefused(let text):
            "\(text); the user needs the configure permission to declare and delete, write to publish and bind, read to consume"
        case .failed(let code, let text): "broker error \(code): \(text)"
        case .consumerCancelled(let queue): "the broker cancelled the consumer of queue '\(queue)'"
        case .cancelled: "the calling task was cancelled"
        case .closed: "the broker connection is closed"
        }
    }
}

extension BrokerError {
    /// The typed form of an AMQP reply code (AMQP 0-9-1 reference, "constants").
    init(replyCode: Int, text: String) {
        self =
            switch replyCode {
            case 403: .accessRefused(text)
            case 404: .notFound(text)
            case 405: .resourceLocked(text)
            case 406: .preconditionFailed(text)
            default: .failed(code: replyCode, text: text)
            }
    }
}
