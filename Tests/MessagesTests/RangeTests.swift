import Messages
import Testing

/// One way of leaving the contract, and the field that the error must name.
struct Violation: Sendable, CustomTestStringConvertible {
    let field: String
    let apply: @Sendable (inout PersonalizeRequest) throws -> Void

    init(_ field: String, _ apply: @escaping @Sendable (inout PersonalizeRequest) throws -> Void) {
        self.field = field
        self.apply = apply
    }

    var testDescription: String { field }
}

@Suite struct RangeTests {
    static func validRequest() throws -> PersonalizeRequest {
        var request = PersonalizeRequest(references: [Reference(picture: .image([1]))], prompt: "a portrait")
        request.steps = 2
        request.iterations = 10
        let offset = try WireTensor(shape: [1, 2], values: [0, 1])
        request.resume = ResumeState(
            nextIteration: 1, offsets: [offset, offset], losses: [3], similarities: [0.5], seed: 1, modelHash: "")
        return request
    }

    static let violations: [Violation] = [
        Violation("references") { $0.references = [] },
        Violation("references") { $0.references = Array(repeating: $0.references[0], count: 5) },
        Violation("references[1].image") { $0.references.append(Reference(picture: .image([]))) },
        Violation("references[0].key") { $0.references[0].picture = .key("") },
        Violation("references[0].key") { $0.references[0].picture = .key("https://example.org/a.jpg") },
        Violation("references[0].key") { $0.references[0].picture = .key("../secret") },
        Violation("resume_key") { $0.resumeKey = "../secret" },
        Violation("references[0].key") { $0.references[0].picture = .key("/etc/passwd") },
        Violation("references[0].key") { $0.references[0].picture = .key("a//b") },
        Violation("references[0].key") { $0.references[0].picture = .key(String(repeating: "a", count: 513)) },
        Violation("references[0].label") { $0.references[0].label = String(repeating: "a", count: 201) },
        Violation("prompt") { $0.prompt = "" },
        Violation("prompt") { $0.prompt = String(repeating: "a", count: 4001) },
        Violation("negative_prompt") { $0.negativePrompt = String(repeating: "a", count: 4001) },
        Violation("model_id") { $0.modelID = String(repeating: "a", count: 201) },
        Violation("width") { ($0.width, $0.height) = (8, 512) },
        Violation("height") { ($0.width, $0.height) = (512, 4104) },
        Violation("height") { ($0.width, $0.height) = (512, 513) },
        Violation("height") { $0.width = 512 },
        Violation("width") { $0.height = 512 },
        Violation("steps") { $0.steps = 101 },
        Violation("steps") { $0.steps = -1 },
        Violation("iterations") { $0.iterations = 1001 },
        Violation("rate") { $0.rate = -1 },
        Violation("rate") { $0.rate = 1001 },
        Violation("rate") { $0.rate = .nan },
        Violation("rate") { $0.rate = .infinity },
        Violation("gain.constant") { $0.gain = .constant(101) },
        Violation("gain.constant") { $0.gain = .constant(.nan) },
        Violation("gain.schedule.values") { $0.gain = .perStep([1]) },
        Violation("gain.schedule.values[1]") { $0.gain = .perStep([1, .infinity]) },
        Violation("cfg_scale") { $0.cfgScale = 51 },
        Violation("cfg_scale") { $0.cfgScale = -.infinity },
        Violation("stop_at_similarity") { $0.stopAtSimilarity = 1.5 },
        Violation("stop_at_similarity") { $0.stopAtSimilarity = -0.5 },
        Violation("gradient_depth") { $0.gradientDepth = 101 },
        Violation("gradient_depth") { $0.gradientDepth = -1 },
        Violation("jacobian_depth") { $0.jacobianDepth = 101 },
        Violation("jacobian_depth") { ($0.gradientDepth, $0.jacobianDepth) = (2, 3) },
        Violation("plateau_patience") { $0.plateauPatience = 1001 },
        Violation("plateau_tolerance") { $0.plateauTolerance = 0.5 },
        Violation("plateau_tolerance") { ($0.plateauPatience, $0.plateauTolerance) = (5, 1.5) },
        Violation("plateau_tolerance") { ($0.plateauPatience, $0.plateauTolerance) = (5, .nan) },
        Violation("output.quality") { $0.output = .jpeg(quality: 101) },
        Violation("progress_interval") { $0.progressInterval = 1001 },
        Violation("preview_interval") { $0.previewInterval = 1001 },
        Violation("resume.next_iteration") { $0.resume?.nextIteration = 11 },
        Violation("resume.offsets") { $0.resume?.offsets.removeLast() },
        Violation("resume.offsets[1].shape") {
            $0.resume?.offsets[1] = try WireTensor(shape: [2, 1], values: [0, 1])
        },
        Violation("resume.offsets[0].data[1]") {
            $0.resume?.offsets[0] = try WireTensor(shape: [1, 2], values: [0, .nan])
        },
        Violation("resume.anchors") { $0.resume?.anchors = [try WireTensor(shape: [1, 2], values: [0, 1])] },
        Violation("resume.losses") { $0.resume?.losses = [] },
        Violation("resume.losses[0]") { $0.resume?.losses = [.infinity] },
        Violation("resume.similarities") { $0.resume?.similarities = [1, 1] },
        Violation("resume.similarities[0]") { $0.resume?.similarities = [2] },
        Violation("resume.model_hash") { $0.resume?.modelHash = "ABC" },
        Violation("resume.timings[0].seconds") { $0.resume?.timings = [Timing(phase: "load", seconds: -1)] },
    ]

    @Test func theUnchangedRequestIsValid() throws {
        let request = try Self.validRequest()
        #expect(try PersonalizeRequest.decode(request.encode()) == request)
    }

    @Test(arguments: violations)
    func aFieldOutOfRangeIsRefusedByName(violation: Violation) throws {
        var request = try Self.validRequest()
        try violation.apply(&request)
        let unsent = #expect(throws: MessageError.self) { try request.validate() }
        #expect(unsent?.field == violation.field)
        #expect(unsent?.kind == .invalidField)
        let received = #expect(throws: MessageError.self) { try PersonalizeRequest.decode(request.encode()) }
        #expect(received?.kind == .invalidField)
        #expect(received?.field == violation.field)
    }

    @Test func anErrorSaysWhatWasWrongAndWhatIsAllowed() throws {
        var request = try Self.validRequest()
        request.resume = nil
        request.steps = 101
        let error = #expect(throws: MessageError.self) { try request.validate() }
        #expect(error?.description == "steps is 101; allowed: 1 to 100")
        #expect(error?.status.code == .invalidArgument)
        #expect(error?.status.isRetryable == false)
        #expect(error?.status.details == [.fieldViolation(field: "steps", problem: "is 101", allowed: "1 to 100")])
    }

    @Test func tensorsWhoseShapeOverflowsAreRefused() {
        #expect(throws: MessageError.self) { try WireTensor(shape: [], values: []) }
        #expect(throws: MessageError.self) { try WireTensor(shape: [0], values: []) }
        #expect(throws: MessageError.self) {
            try WireTensor(shape: Array(repeating: Int(Int32.max), count: 8), values: [1])
        }
        #expect(throws: MessageError.self) { try WireTensor(shape: [2, 2], values: [1, 2, 3]) }
    }

    @Test func eventsAreHeldToTheirRanges() throws {
        var generator = SeededGenerator(seed: 3)
        var event = generator.personalizeEvent()
        event.body = .progress(PersonalizeProgress(iteration: 3, iterations: 2, loss: 1, similarity: 1))
        #expect(throws: MessageError.self) { try PersonalizeEvent.decode(event.encode()) }
        event.body = .progress(PersonalizeProgress(iteration: 1, iterations: 2, loss: .nan, similarity: 1))
        #expect(throws: MessageError.self) { try PersonalizeEvent.decode(event.encode()) }
        event.body = .result(PersonalizeResult(status: .ok, workerID: "w", attempt: 1))
        let error = #expect(throws: MessageError.self) { try PersonalizeEvent.decode(event.encode()) }
        #expect(error?.field == "result.picture")
        event.jobID = "two words"
        #expect(throws: MessageError.self) { try event.validate() }
    }
}
