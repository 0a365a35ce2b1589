import Checkpoints
import Discriminators
public import Generation
import Raster
import Tensors

/// Why an evaluation cannot be made, or not be finished.
public enum EvaluationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A file is absent or cannot be read.
    case unreadable(String)
    /// A file or a setting says what cannot be, or what does not fit another.
    case mismatched(String)
    /// A result cannot be written.
    case unwritable(String)
    /// The engine failed, for lack of memory for instance.
    case computation(String)
    /// A picture cannot be made.
    case generation(GenerationError)

    /// Sorts an error of the modules below.
    init(_ error: any Error) {
        switch error {
        case let error as EvaluationError: self = error
        case let error as GenerationError: self = .generation(error)
        case let error as CheckpointError:
            self = error.kind == .unreadable ? .unreadable("\(error)") : .mismatched("\(error)")
        case let error as ONNXError: self = .mismatched("\(error)")
        case let error as DiscriminatorError: self = EvaluationError.sorted(error)
        case let error as PictureError: self = .mismatched("\(error)")
        default: self = .computation("\(error)")
        }
    }

    private static func sorted(_ error: DiscriminatorError) -> EvaluationError {
        if case .computation(let error) = error { .computation("\(error)") } else { .mismatched("\(error)") }
    }

    public var description: String {
        switch self {
        case .unreadable(let text), .mismatched(let text), .unwritable(let text), .computation(let text): text
        case .generation(let error): error.message
        }
    }
}

/// Runs something of the modules below, sorting its errors; `place` says where they occurred.
func evaluating<Result>(_ place: String? = nil, _ body: () throws -> Result) throws(EvaluationError) -> Result {
    do {
        return try body()
    } catch {
        guard let place else { throw EvaluationError(error) }
        switch EvaluationError(error) {
        case .unreadable(let text): throw .unreadable("\(place): \(text)")
        case .mismatched(let text): throw .mismatched("\(place): \(text)")
        case .unwritable(let text): throw .unwritable("\(place): \(text)")
        case .computation(let text): throw .computation("\(place): \(text)")
        case .generation(let error):
            throw .generation(GenerationError(error.kind, "\(place): \(error.message)", field: error.field))
        }
    }
}
