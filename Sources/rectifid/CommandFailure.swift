import ArgumentParser
import Evaluation
import Generation

/// A failure with its exit code: `sysexits.h`, as mail programs and job schedulers know them.
struct CommandFailure: Error, CustomStringConvertible {
    enum Code: Int32 {
        case usage = 64
        /// The request, or a picture in it, is refused.
        case refused = 65
        case missingInput = 66
        case unavailable = 69
        case internalFailure = 70
        case cannotWrite = 73
        /// A person said no.
        case declined = 1
        /// May be tried again.
        case temporary = 75
    }

    let code: Code
    let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: GenerationError) {
        let code: Code =
            switch error.kind {
            case .invalidRequest, .noSubject, .unsupported, .lostSubject: .refused
            case .invalidModel: .missingInput
            case .outOfMemory: .temporary
            case .notFinite, .internalFailure: .internalFailure
            }
        self.init(code, error.message)
    }

    init(_ error: EvaluationError) {
        switch error {
        case .generation(let error): self.init(error)
        case .unreadable(let text): self.init(.missingInput, text)
        case .mismatched(let text): self.init(.refused, text)
        case .unwritable(let text): self.init(.cannotWrite, text)
        case .computation(let text): self.init(.internalFailure, text)
        }
    }

    var description: String { message }

    /// Runs a command's body, printing a failure and leaving with its code.
    static func reporting(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let failure as CommandFailure {
            StandardError.write("Error: \(failure.message)\n")
            throw ExitCode(failure.code.rawValue)
        } catch let error as GenerationError {
            try await reporting { throw CommandFailure(error) }
        }
    }
}
