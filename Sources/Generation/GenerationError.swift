import Checkpoints
import Discriminators
import Flow
import Tensors

/// Why a picture cannot be made: the sort of failure, and words that a person can act on.
public struct GenerationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What sort of failure, for those who decide whether to try again.
    public enum Kind: String, Sendable, Hashable {
        /// A field of the request is out of its range.
        case invalidRequest
        /// A reference does not show what it should.
        case noSubject
        /// There is no such model, or its folder is incomplete or damaged.
        case invalidModel
        /// Well formed, but not something that this model or this program does.
        case unsupported
        /// The picture in the making lost what guidance looks for.
        case lostSubject
        /// A number overflowed on the way.
        case notFinite
        case outOfMemory
        /// A defect of this program or of a network file.
        case internalFailure
    }

    public let kind: Kind
    public let message: String
    /// The field of the request at fault, as the command line and the contract call it.
    public let field: String?

    public init(_ kind: Kind, _ message: String, field: String? = nil) {
        self.kind = kind
        self.message = message
        self.field = field
    }

    static func invalid(_ field: String, _ message: String) -> GenerationError {
        GenerationError(.invalidRequest, "\(field): \(message)", field: field)
    }

    /// Sorts an error of the modules below.
    init(_ error: any Error) {
        switch error {
        case let error as GenerationError: self = error
        case let error as TensorError:
            self.init(error.isOutOfMemory ? .outOfMemory : .internalFailure, "\(error)")
        case let error as CheckpointError:
            self.init(error.kind == .unsupported ? .unsupported : .invalidModel, "\(error)")
        case let error as DiscriminatorError: self = GenerationError.sorted(error)
        case let error as GuidanceError: self = GenerationError.sorted(error)
        case let error as ScheduleError: self.init(.invalidRequest, "\(error)")
        default: self.init(.internalFailure, "\(error)")
        }
    }

    private static func sorted(_ error: DiscriminatorError) -> GenerationError {
        switch error {
        case .noFaceInReference, .degenerateLandmarks: GenerationError(.noSubject, "\(error)", field: "reference")
        case .references, .picture: GenerationError(.invalidRequest, "\(error)", field: "reference")
        case .tooFewFaces:
            GenerationError(.lostSubject, "\(error) in the picture in the making; try another seed or a lower rate")
        case .unsuitable, .network: GenerationError(.invalidModel, "\(error)")
        case .computation(let error): GenerationError(error)
        }
    }

    private static func sorted(_ error: GuidanceError) -> GenerationError {
        switch error {
        case .setting: GenerationError(.invalidRequest, "\(error)")
        case .state: GenerationError(.invalidRequest, "\(error)", field: "resume")
        case .outputShape: GenerationError(.internalFailure, "\(error)")
        case .notFinite: GenerationError(.notFinite, "\(error)")
        }
    }

    public var description: String { message }
}

/// Runs something of the modules below, sorting its errors.
func generating<Result>(_ body: () throws -> Result) throws(GenerationError) -> Result {
    do { return try body() } catch { throw GenerationError(error) }
}
