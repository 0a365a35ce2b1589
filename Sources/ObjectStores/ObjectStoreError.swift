/// Why a store did not do what it was asked to.
///
/// Never contains credentials.
public enum ObjectStoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A text that cannot be a key, or a key that this store cannot hold.
    case invalidKey(String, allowed: String)
    /// The store has no such object.
    case notFound(ObjectKey)
    /// The object is larger than what was asked for; its size where the store says it.
    case tooLarge(ObjectKey, bytes: Int?, limit: Int)
    /// The store knows who asks and does not allow it, or does not know who asks.
    case accessDenied(String)
    /// The store cannot be used as it is set up: no such bucket or folder, another region, a certificate that is not
    /// trusted. Trying again does not help before somebody changes something.
    case misconfigured(String)
    /// The store did not answer, or not to the end, or is too busy; it was tried several times.
    case unavailable(String)
    /// The task was cancelled.
    case cancelled

    /// Whether the same call can succeed later with nothing changed.
    public var isRetryable: Bool {
        switch self {
        case .unavailable: true
        case .invalidKey, .notFound, .tooLarge, .accessDenied, .misconfigured, .cancelled: false
        }
    }

    public var description: String {
        switch self {
        case .invalidKey(let text, let allowed): "'\(text)' is not a key; allowed: \(allowed)"
        case .notFound(let key): "the store has no object '\(key)'"
        case .tooLarge(let key, let bytes?, let limit):
            "the object '\(key)' has \(bytes) bytes; at most \(limit) are read"
        case .tooLarge(let key, nil, let limit): "the object '\(key)' has more than \(limit) bytes"
        case .accessDenied(let reason): "the store denies access: \(reason)"
        case .misconfigured(let reason): "the store cannot be used: \(reason)"
        case .unavailable(let reason): "the store is unavailable: \(reason)"
        case .cancelled: "cancelled"
        }
    }
}
