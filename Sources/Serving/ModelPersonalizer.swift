import Flow
public import Generation
public import Jobs
public import Messages
import Raster
import Tensors

/// The models of this process as a ``Personalizer``: where the contract's words become the maths'.
public struct ModelPersonalizer: Personalizer {
    private let loaded: [Model]
    public let models: [ModelDescription]
    public let subjects: [Messages.Subject]
    public let device: String
    private let maximumPixels: Int?

    /// - Parameters:
    ///   - models: At least one; the first is the default.
    ///   - device: What they compute on, in words.
    ///   - maximumPixels: Most pixels of a picture; four times as many as the model's own size by default.
    public init(_ models: [Model], device: String, maximumPixels: Int? = nil) {
        self.maximumPixels = maximumPixels
        loaded = models
        self.models = models.map(ModelDescription.init)
        let kinds = Set(models.flatMap(\.subjects))
        subjects = Messages.Subject.allCases.filter { kinds.contains(Generation.Subject($0)) }
        self.device = device
    }

    public func begin(_ job: PersonalizationJob, resuming state: ResumeState?) throws(Status) -> any PersonalizationRun
    {
        let id = job.request.modelID ?? loaded.first?.id ?? ""
        guard let model = loaded.first(where: { $0.id == id }) else {
            throw Status(
                .notFound, "this worker has no model '\(id)', only \(loaded.map(\.id).joined(separator: ", "))",
                details: [.resourceInfo(type: "model", name: id)])
        }
        do throws(GenerationError) {
            let request = GenerationRequest(job)
            try check(try model.settings(for: request), of: model)
            let run = try model.begin(request, resuming: state.map(GuidanceState.init))
            return ModelRun(model: model, request: request, run: run, completedIterations: state?.nextIteration ?? 0)
        } catch {
            throw Status(error)
        }
    }
}

extension ModelPersonalizer {
    /// Memory and time grow with the pixels: a request must not be able to take the whole machine.
    private func check(_ settings: Settings, of model: Model) throws(GenerationError) {
        let limit = maximumPixels ?? 4 * model.defaults.width * model.defaults.height
        guard settings.width * settings.height > limit else { return }
        throw GenerationError(
            .invalidRequest,
            "\(settings.width) x \(settings.height) pixels; this worker makes pictures of up to \(limit) pixels",
            field: "width")
    }
}

/// A run of a model.
private struct ModelRun: PersonalizationRun {
    let model: Model
    let request: GenerationRequest
    var run: GenerationRun
    private(set) var completedIterations: Int
    private let end = EndOfRun()

    /// Gives the memory of a job back when its run goes, so that an idle worker holds its weights and no more.
    private final class EndOfRun: Sendable {
        deinit { CPU.shared.releaseUnusedMemory() }
    }

    init(model: Model, request: GenerationRequest, run: GenerationRun, completedIterations: Int) {
        self.model = model
        self.request = request
        self.run = run
        self.completedIterations = completedIterations
    }

    var metadata: PictureMetadata { PictureMetadata(of: run, request, model: model) }
    var modelID: String { model.id }
    var modelHash: String { model.hash }
    var iterations: Int { run.settings.iterations }
    // The run also has those of the last pass, after which there is no update.
    var losses: [Float] { Array(run.losses.prefix(completedIterations)) }
    var similarities: [Float] { Array(run.similarities.prefix(completedIterations)) }
    var timings: [Timing] { run.timings.map { Timing(phase: $0.phase, seconds: $0.seconds, count: $0.count) } }

    mutating func next() throws(Status) -> PersonalizationPass? {
        do throws(GenerationError) {
            guard let pass = try run.next() else { return nil }
            if !pass.isLast { completedIterations += 1 }
            return PersonalizationPass(
                iteration: pass.iteration, isLast: pass.isLast, loss: pass.loss, similarity: pass.similarity
            ) { () throws(Status) in
                do throws(GenerationError) { return try pass.picture() } catch { throw Status(error) }
            }
        } catch {
            throw Status(error)
        }
    }

    func guidanceTensors() throws(Status) -> (offsets: [WireTensor], anchors: [WireTensor]) {
        let state = run.state
        let shape = run.latentShape.array
        do throws(MessageError) {
            var (offsets, anchors): ([WireTensor], [WireTensor]) = ([], [])
            for values in state.offsets { offsets.append(try WireTensor(shape: shape, values: values)) }
            for values in state.anchors { anchors.append(try WireTensor(shape: shape, values: values)) }
            return (offsets, anchors)
        } catch {
            throw Status(.internal, "the state of the job cannot be written: \(error)")
        }
    }
}

extension GuidanceState {
    fileprivate init(_ state: ResumeState) {
        self.init(
            completedIterations: state.nextIteration, offsets: state.offsets.map(\.values),
            anchors: state.anchors.map(\.values), losses: state.losses, similarities: state.similarities)
    }
}

extension GenerationRequest {
    fileprivate init(_ job: PersonalizationJob) {
        let request = job.request
        self.init(
            references: zip(job.pictures, request.references).map {
                Reference($0, subject: Generation.Subject($1.subject))
            },
            prompt: request.prompt, seed: job.seed)
        negativePrompt = request.negativePrompt
        width = request.width
        height = request.height
        steps = request.steps
        iterations = request.iterations
        let areObjects = request.references.allSatisfy { $0.subject == .object }
        rate = request.rate.map(Double.init) ?? (areObjects ? 2 : nil)
        gain = request.gain.map { Flow.Gain($0) }
        cfgScale = request.cfgScale
        flow = request.flow.map { $0 == .piecewise ? .piecewise : .rectified }
        effort = GuidanceEffort(
            gradientDepth: request.gradientDepth, jacobianDepth: request.jacobianDepth,
            cfgGradient: request.cfgGradient.map { $0 == .both ? .both : .conditional },
            sufficientSimilarity: request.stopAtSimilarity,
            plateau: request.plateauPatience.map { Plateau(patience: $0, tolerance: request.plateauTolerance ?? 0) })
    }
}

extension Flow.Gain {
    fileprivate init(_ gain: Messages.Gain) {
        switch gain {
        case .derived: self = .derived
        case .published: self = .published
        case .constant(let number): self = .uniform(Double(number))
        case .perStep(let numbers): self = .perStep(numbers.map(Double.init))
        }
    }
}

extension Generation.Subject {
    fileprivate init(_ subject: Messages.Subject) {
        switch subject {
        case .person: self = .person
        case .liveSubject: self = .liveSubject
        case .object: self = .object
        case .custom: self = .custom
        }
    }
}

extension ModelDescription {
    fileprivate init(_ model: Model) {
        let defaults = model.defaults
        self.init(
            id: model.id, hash: model.hash, flow: defaults.flow == .piecewise ? .piecewise : .rectified,
            width: defaults.width, height: defaults.height, steps: defaults.steps, iterations: defaults.iterations,
            cfgScale: defaults.cfgScale)
    }
}

extension Status {
    /// What to tell a client about a picture that cannot be made.
    fileprivate init(_ error: GenerationError) {
        let field = error.field.map { [StatusDetail.fieldViolation(field: $0, problem: error.message, allowed: "")] }
        switch error.kind {
        case .invalidRequest: self.init(.invalidArgument, error.message, details: field ?? [])
        case .noSubject:
            self.init(
                .failedPrecondition, error.message, details: [.errorInfo(reason: "NO_FACE_IN_REFERENCE")])
        case .unsupported:
            self.init(.failedPrecondition, error.message, details: [.errorInfo(reason: "UNSUPPORTED")] + (field ?? []))
        case .lostSubject:
            self.init(.failedPrecondition, error.message, details: [.errorInfo(reason: "SUBJECT_LOST")])
        case .notFinite:
            // The same numbers would come to the same end.
            self.init(
                .internal, error.message, details: [.errorInfo(reason: "NOT_FINITE")], isRetryable: false)
        case .outOfMemory: self.init(.resourceExhausted, error.message)
        case .invalidModel, .internalFailure: self.init(.internal, error.message)
        }
    }
}
