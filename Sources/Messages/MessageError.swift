/// Why bytes are not a message, or a message not one that can be acted upon.
///
/// Every such failure is permanent: the same bytes fail again wherever they are delivered to.
public struct MessageError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// More bytes than ``MessageLimits/maximumBytes``; nothing was parsed.
        case tooLarge
        /// Parsing was stopped, for the message would have taken more memory than an honest one can.
        case tooMuchMemory
        /// The bytes are not a message of the expected type.
        case malformed
        /// A field is missing, out of range or contradicts another.
        case invalidField
    }

    public let kind: Kind
    /// Path of the field as in the `.proto` file, such as `references[1].image`; the name of the message for a failure
    /// of the whole.
    public let field: String
    /// What was found, such as "is 101".
    public let problem: String
    /// What is allowed, such as "1 to 100".
    public let allowed: String

    public init(kind: Kind, field: String, problem: String, allowed: String) {
        self.kind = kind
        self.field = field
        self.problem = problem
        self.allowed = allowed
    }

    public var description: String {
        "\(field) \(problem); allowed: \(allowed)"
    }

    /// What to reply to whoever sent the message.
    public var status: Status {
        Status(
            .invalidArgument, description,
            details: [.fieldViolation(field: field, problem: problem, allowed: allowed)])
    }
}
