public import Tensors

/// Why a file of a model cannot be used: which file, what about it, and what to do.
public struct CheckpointError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The sort of failure, for callers that treat them differently.
    public enum Kind: Sendable, Hashable {
        /// The file is not there or the system refuses to read or write it.
        case unreadable
        /// The content breaks the rules of its format.
        case malformed
        /// A tensor, a component or an entry that is needed is absent.
        case missing
        /// Something is there with another shape or type than the network needs.
        case mismatched
        /// Well formed, but of a kind that this program does not run.
        case unsupported
        /// Memory ran out, or a limit that protects memory was passed.
        case tooLarge
    }

    public let kind: Kind
    /// The file or folder, as it was given.
    public let file: String
    /// What is wrong, and what would be right.
    public let problem: String

    public init(_ kind: Kind, file: String, _ problem: String) {
        self.kind = kind
        self.file = file
        self.problem = problem
    }

    /// A tensor operation that failed while `what` was being loaded from a file.
    public init(_ error: TensorError, file: String, loading what: String) {
        self.init(.tooLarge, file: file, "\(what): \(error)")
    }

    public var description: String { "\(file): \(problem)" }
}
