/// How a job ended: the numbers and meanings of `google.rpc.Code`.
public enum StatusCode: Int32, Sendable, CaseIterable {
    case ok = 0
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case `internal` = 13
    case unavailable = 14
    case dataLoss = 15
    case unauthenticated = 16

    /// The name in `google.rpc.Code`, such as `INVALID_ARGUMENT`.
    public var name: String {
        var name = ""
        for character in "\(self)" {
            if character.isUppercase { name += "_" }
            name += character.uppercased()
        }
        return name
    }

    /// Finds a code by its ``name``.
    public init?(name: String) {
        guard let code = StatusCode.allCases.first(where: { $0.name == name }) else { return nil }
        self = code
    }

    /// Whether the request itself is at fault, so that no worker and no later attempt can do better.
    public var isPermanent: Bool {
        switch self {
        case .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .failedPrecondition, .outOfRange,
            .unimplemented, .unauthenticated:
            true
        case .ok, .cancelled, .unknown, .deadlineExceeded, .resourceExhausted, .aborted, .internal, .unavailable,
            .dataLoss:
            false
        }
    }

    /// Whether another attempt can succeed.
    ///
    /// Not the opposite of ``isPermanent``: a job that was cancelled, or whose absolute deadline has passed, was a sound
    /// request, but trying again is of no use either.
    public var isRetryable: Bool {
        switch self {
        case .ok, .cancelled, .deadlineExceeded: false
        default: !isPermanent
        }
    }
}
