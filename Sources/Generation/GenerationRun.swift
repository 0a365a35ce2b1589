import Discriminators
public import Flow
import Foundation
import Networks
public import Raster
public import Tensors

extension Model {
    /// Starts a job, or goes on with an interrupted one.
    ///
    /// Encodes the prompts and looks at the references; passes are made by the caller's loop over
    /// ``GenerationRun/next()``.
    ///
    /// - Parameters:
    ///   - request: What to make.
    ///   - noise: x_0 `[1, h, w, C]`; that of the request's seed by default, which is PyTorch's.
    ///   - state: Where another run was interrupted.
    /// - Throws: ``GenerationError`` for a field out of its range, a reference without a subject, or a state of another
    ///   job.
    public func begin(
        _ request: GenerationRequest, noise: Tensor? = nil, resuming state: GuidanceState? = nil
    ) throws(GenerationError) -> GenerationRun {
        let settings = try settings(for: request)
        return try generating { try GenerationRun(self, request, settings, noise: noise, resuming: state) }
    }
}

/// A job's computation, which its caller drives: one pass per call.
///
/// Each call blocks for as long as a pass takes, so it belongs on a thread of the caller's own and never on Swift's
/// cooperative pool. Confined to that thread.
public struct GenerationRun {
    /// The job's numbers, none left open.
    public let settings: Settings
    private let clock: PhaseClock
    private var sampler: GuidedSampler<PromptedField, PictureObjective>
    /// What the job starts from, for the trace.
    let inputs: Inputs

    /// What a job starts from.
    struct Inputs {
        let prompt, negative: PromptEncoder.Encoded
        let noise: Tensor
        let schedule: Schedule
        let references: [Tensor]
    }

    init(
        _ model: Model, _ request: GenerationRequest, _ settings: Settings, noise: Tensor?, resuming: GuidanceState?
    ) throws {
        let clock = PhaseClock()
        let schedule = try model.schedule(settings)
        let shape = model.latentShape(settings)
        if let noise, noise.shape != shape {
            throw GenerationError.invalid("initial-noise", "shape \(noise.shape); \(shape) (channels last) is needed")
        }
        let start =
            try noise ?? InitialNoise.latent(seed: request.seed, height: shape[1], width: shape[2], channels: shape[3])
        let comparison = try clock.measure(.references) {
            try model.discriminator(for: request.references).comparison(
                with: try request.references.map { try $0.picture.tensor() })
        }
        let prompts = try clock.measure(.prompt) {
            (try model.promptEncoder(request.prompt), try model.promptEncoder(request.negativePrompt, isNegative: true))
        }
        let field = try PromptedField(
            model.network, positive: prompts.0, negative: prompts.1,
            guidance: ClassifierFreeGuidance(scale: settings.cfgScale, gradient: settings.effort.cfgGradient ?? .both),
            width: settings.width, height: settings.height, clock: clock)
        let effort = settings.effort
        let guidance = Guidance(
            iterations: settings.iterations, rate: settings.rate, gain: settings.gain,
            recompute: model.recompute,
            sufficientSimilarity: effort.sufficientSimilarity, plateau: effort.plateau,
            gradientDepth: effort.gradientDepth, jacobianDepth: effort.jacobianDepth)
        sampler = try GuidedSampler(
            field: field,
            objective: PictureObjective(
                decoder: model.decoder, comparison: comparison, clock: clock),
            schedule: schedule, guidance: guidance, noise: start, resuming: resuming)
        self.settings = settings
        self.clock = clock
        inputs = Inputs(
            prompt: prompts.0, negative: prompts.1, noise: start, schedule: schedule, references: comparison.embeddings)
    }

    /// Makes one pass.
    ///
    /// - Returns: What it found; nil after the last.
    /// - Throws: ``GenerationError`` where the subject is lost, a number is not finite, or memory runs out.
    public mutating func next() throws(GenerationError) -> GenerationPass? {
        do {
            guard let pass = try clock.measureRest(.gradient, { try sampler.next() }) else { return nil }
            return GenerationPass(pass, iterations: settings.iterations)
        } catch {
            throw GenerationError(error)
        }
    }

    /// What another run of the same request needs to go on from here.
    public var state: GuidanceState { sampler.state }
    /// Loss of every pass so far, those before an interruption included.
    public var losses: [Float] { sampler.losses }
    /// Similarity of every pass so far, those before an interruption included.
    public var similarities: [Float] { sampler.similarities }
    /// Shape of the latent, `[1, h, w, C]`; offsets and anchors have it.
    public var latentShape: Shape { inputs.noise.shape }
    /// Where the time went so far.
    public var timings: [PhaseTiming] { clock.timings }
}

/// What one pass found.
public struct GenerationPass {
    /// The pass, from 0.
    public let iteration: Int
    /// Updates of the whole job.
    public let iterations: Int
    let guidance: GuidancePass<PictureObjective.Details>

    init(_ guidance: GuidancePass<PictureObjective.Details>, iterations: Int) {
        iteration = guidance.iteration
        self.iterations = iterations
        self.guidance = guidance
    }

    /// Whether this pass' picture is the result.
    public var isLast: Bool { guidance.isLast }
    public var loss: Float { guidance.loss }
    /// Mean cosine between the references and what the picture shows of them.
    public var similarity: Float { guidance.similarity }
    /// L2 norms of the gradients by the state at each step's start.
    public var gradientNorms: [Double] { guidance.gradientNorms }

    /// This pass' picture.
    ///
    /// - Throws: ``GenerationError`` where memory runs out.
    public func picture() throws(GenerationError) -> Picture { try Picture(guidance.details.picture) }
}
