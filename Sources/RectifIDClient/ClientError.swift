public import Broker
public import Messages

/// Why a client has no answer, or no picture.
///
/// Each case has the form that a worker's answer would have: ``status``, with a code of `google.rpc.Code`.
public enum ClientError: Error, Sendable, Equatable {
    /// The request breaks a rule of the contract; nothing was sent.
    case invalid(MessageError)
    /// Not a job id: 1 to 128 visible ASCII characters; nothing was sent.
    case invalidJobID(String)
    /// The lane holds as many jobs as it may, and the broker has not taken this one. Sending it again later can help.
    case queueFull(lane: String)
    /// No result by the job's deadline and the grace after it, or the deadline had passed before anything was sent.
    case deadlineExceeded(jobID: String)
    /// The job ended without a picture.
    case failed(Status, jobID: String)
    /// The picture was made and lies in the shared store under this key, from where it could not be had.
    case notFetched(key: String, reason: String)
    case broker(BrokerError)
    /// An answer that does not follow the contract.
    case badReply(MessageError)
    /// The calling task was cancelled.
    case cancelled
    /// The client was closed before the result came.
    case closed

    /// The typed form of what the broker says to a job or a question.
    init(_ error: BrokerError) {
        self =
            switch error {
            case .refused(_, let lane): .queueFull(lane: lane)
            case .cancelled: .cancelled
            default: .broker(error)
            }
    }
}

extension ClientError {
    /// The error as the contract's workers would tell it: a code, a sentence, details for programs, and whether sending
    /// the same again can help.
    public var status: Status {
        switch self {
        case .invalid(let error): error.status
        case .invalidJobID(let id):
            Status(
                .invalidArgument, description,
                details: [
                    .fieldViolation(
                        field: "message_id", problem: "is '\(id.cut(toBytes: 140))'",
                        allowed: "1 to 128 visible ASCII characters")
                ])
        case .queueFull: Status(.resourceExhausted, description, details: [.errorInfo(reason: "QUEUE_FULL")])
        case .deadlineExceeded: Status(.deadlineExceeded, description)
        case .failed(let status, _): status
        case .notFetched(let key, _):
            Status(.unavailable, description, details: [.resourceInfo(type: "key", name: key)])
        case .broker(let error): Status(Self.code(of: error), description, isRetryable: error.isTransient)
        case .badReply: Status(.internal, description, isRetryable: false)
        case .cancelled, .closed: Status(.cancelled, description)
        }
    }

    public var code: StatusCode { status.code }
    /// For a person: what was wrong and what to do.
    public var message: String { status.message }
    /// For programs.
    public var details: [StatusDetail] { status.details }
    /// Whether sending the same request again, under the same job id, can help.
    public var isRetryable: Bool { status.isRetryable }

    private static func code(of error: BrokerError) -> StatusCode {
        switch error {
        case .messageTooLarge, .headerTooLarge, .invalid: .invalidArgument
        case .authenticationFailed, .encryptionFailed: .unauthenticated
        case .accessRefused: .permissionDenied
        case .unroutable, .notFound, .timedOut, .disconnected, .resourceLocked, .consumerCancelled: .unavailable
        case .refused: .resourceExhausted
        case .cancelled, .closed: .cancelled
        case .staleDelivery, .preconditionFailed, .failed: .internal
        }
    }
}

extension ClientError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .invalid(let error): error.description
        case .invalidJobID(let id): "job id '\(id.cut(toBytes: 140))'; allowed: 1 to 128 visible ASCII characters"
        case .queueFull(let lane):
            "lane '\(lane)' holds as many jobs as it may; send the job again later, under the same id"
        case .deadlineExceeded(let id): "no result of job \(id) by its deadline; start more workers or allow more time"
        case .failed(let status, let id): "\(status) (job \(id))"
        case .notFetched(let key, let reason): "the picture lies in the shared store as '\(key)': \(reason)"
        case .broker(.unroutable(let exchange, _)):
            "the broker has no queue behind exchange '\(exchange)'; start a worker, or run: rectifid topology --declare"
        case .broker(.notFound(let text)): "\(text); start a worker, or run: rectifid topology --declare"
        case .broker(let error): error.description
        case .badReply(let error): "a reply does not follow the contract: \(error)"
        case .cancelled: "the calling task was cancelled"
        case .closed: "the client was closed before the result came"
        }
    }
}
