public import Broker
public import Messages

/// Why a client has no answer; a job that failed has one, its result's status.
public enum ClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The request breaks a rule of the contract; nothing was sent.
    case invalid(MessageError)
    /// Not a job id: 1 to 128 visible ASCII characters.
    case invalidJobID(String)
    case broker(BrokerError)
    /// An answer that does not follow the contract.
    case badReply(MessageError)
    /// The client was closed before the result came.
    case closed

    public var description: String {
        switch self {
        case .invalid(let error): error.description
        case .invalidJobID(let id): "job id '\(id.cut(toBytes: 140))'; allowed: 1 to 128 visible ASCII characters"
        case .broker(.unroutable(let exchange, _)):
            "the broker has no queue behind exchange '\(exchange)'; start a worker, or run: rectifid topology --declare"
        case .broker(.notFound(let text)): "\(text); start a worker, or run: rectifid topology --declare"
        case .broker(let error): error.description
        case .badReply(let error): "a reply does not follow the contract: \(error)"
        case .closed: "the client was closed before the result came"
        }
    }
}
