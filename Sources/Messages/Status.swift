import CMessages
import CProtobufC

/// Why a job ended as it did.
public struct Status: Error, Sendable, Equatable, CustomStringConvertible {
    public var code: StatusCode
    /// For a person: what was wrong and what to do.
    public var message: String
    /// For programs.
    public var details: [StatusDetail]
    /// Whether sending the same request again can help.
    public var isRetryable: Bool

    /// Retryable is what the code says, where it is not given.
    public init(
        _ code: StatusCode, _ message: String, details: [StatusDetail] = [], isRetryable: Bool? = nil
    ) {
        self.code = code
        self.message = message
        self.details = details
        self.isRetryable = isRetryable ?? code.isRetryable
    }

    public static let ok = Status(.ok, "")

    public var description: String {
        message.isEmpty ? code.name : "\(code.name): \(message)"
    }
}

/// One fact about a failure, for programs.
public enum StatusDetail: Sendable, Equatable {
    /// A field of the request is wrong: its path, what was found, what is allowed.
    case fieldViolation(field: String, problem: String, allowed: String)
    /// The cause as a constant in UPPER_SNAKE_CASE, and who defines it.
    case errorInfo(reason: String, domain: String = "rectifid")
    /// Something that the request names and the worker lacks: its kind ("model", "key") and its name.
    case resourceInfo(type: String, name: String)
    /// When to try again.
    case retryInfo(delayMilliseconds: UInt64)
    /// Of a kind that a newer version has introduced.
    case unknown
}

extension Status: Packable {
    static let messageName = "Status"
    static var emptyCForm: Rectifid__V1__Status { empty(rectifid__v1__status__init) }

    init(_ c: Rectifid__V1__Status, at field: FieldPath) throws(MessageError) {
        self.init(
            // google.rpc.Code asks readers to take numbers they do not know for UNKNOWN.
            StatusCode(rawValue: c.code) ?? .unknown,
            try c.message.text(at: field.child("message")),
            details: try field.child("details").messages(c.details, c.n_details),
            isRetryable: c.retryable != 0)
    }

    func cForm(in arena: CArena) -> Rectifid__V1__Status {
        var c = Self.emptyCForm
        c.code = code.rawValue
        c.message = arena.text(message)
        c.n_details = details.count
        c.details = arena.array(details)
        c.retryable = isRetryable ? 1 : 0
        return c
    }
}

extension StatusDetail: Packable {
    static let messageName = "StatusDetail"
    static var emptyCForm: Rectifid__V1__StatusDetail { empty(rectifid__v1__status_detail__init) }

    init(_ c: Rectifid__V1__StatusDetail, at field: FieldPath) throws(MessageError) {
        self = .unknown
        switch c.detail_case {
        case RECTIFID__V1__STATUS_DETAIL__DETAIL_FIELD_VIOLATION:
            let at = field.child("field_violation")
            guard let violation = c.field_violation?.pointee else { break }
            self = .fieldViolation(
                field: try violation.field.text(at: at.child("field")),
                problem: try violation.problem.text(at: at.child("problem")),
                allowed: try violation.allowed.text(at: at.child("allowed")))
        case RECTIFID__V1__STATUS_DETAIL__DETAIL_ERROR_INFO:
            let at = field.child("error_info")
            guard let info = c.error_info?.pointee else { break }
            self = .errorInfo(
                reason: try info.reason.text(at: at.child("reason")),
                domain: try info.domain.text(at: at.child("domain")))
        case RECTIFID__V1__STATUS_DETAIL__DETAIL_RESOURCE_INFO:
            let at = field.child("resource_info")
            guard let info = c.resource_info?.pointee else { break }
            self = .resourceInfo(
                type: try info.type.text(at: at.child("type")),
                name: try info.name.text(at: at.child("name")))
        case RECTIFID__V1__STATUS_DETAIL__DETAIL_RETRY_INFO:
            guard let info = c.retry_info?.pointee else { break }
            self = .retryInfo(delayMilliseconds: info.delay_ms)
        default: break
        }
    }

    func cForm(in arena: CArena) -> Rectifid__V1__StatusDetail {
        var c = Self.emptyCForm
        switch self {
        case .fieldViolation(let field, let problem, let allowed):
            let violation = arena.message(rectifid__v1__field_violation__init)
            violation.pointee.field = arena.text(field)
            violation.pointee.problem = arena.text(problem)
            violation.pointee.allowed = arena.text(allowed)
            c.field_violation = violation
            c.detail_case = RECTIFID__V1__STATUS_DETAIL__DETAIL_FIELD_VIOLATION
        case .errorInfo(let reason, let domain):
            let info = arena.message(rectifid__v1__error_info__init)
            info.pointee.reason = arena.text(reason)
            info.pointee.domain = arena.text(domain)
            c.error_info = info
            c.detail_case = RECTIFID__V1__STATUS_DETAIL__DETAIL_ERROR_INFO
        case .resourceInfo(let type, let name):
            let info = arena.message(rectifid__v1__resource_info__init)
            info.pointee.type = arena.text(type)
            info.pointee.name = arena.text(name)
            c.resource_info = info
            c.detail_case = RECTIFID__V1__STATUS_DETAIL__DETAIL_RESOURCE_INFO
        case .retryInfo(let delay):
            let info = arena.message(rectifid__v1__retry_info__init)
            info.pointee.delay_ms = delay
            c.retry_info = info
            c.detail_case = RECTIFID__V1__STATUS_DETAIL__DETAIL_RETRY_INFO
        case .unknown: break
        }
        return c
    }
}
