import Autodiff
public import Flow
import Networks
public import Tensors

/// Networks and a guided iteration made of them, on random latents.
public struct NetworkBenchmark {
    public let model: BenchmarkModel
    /// Pixels of the picture; multiples of 64.
    public let height, width: Int
    public let precision: Precision
    /// Passes of the network in an iteration.
    public let steps: Int
    /// Which steps of an iteration run a second time.
    public let recompute: Recompute
    /// Counted runs of each.
    public let repetitions: Int
    private let network: UNet?
    private let decoder: ImageDecoder?

    /// What can be measured.
    public enum Subject: String, Sendable, CaseIterable {
        case unetForward = "unet.forward"
        case unetGradient = "unet.gradient"
        case decoderForward = "decoder.forward"
        case decoderGradient = "decoder.gradient"
        case iteration
        /// Not one thing but all that the networks are made of, see ``NetworkBenchmark/operations(_:)``.
        case operations

        /// Those that are one thing.
        public static let whole: [Subject] = allCases.filter { $0 != .operations }

        fileprivate var needsNetwork: Bool { needsAll || rawValue.hasPrefix("unet") }
        fileprivate var needsDecoder: Bool { needsAll || rawValue.hasPrefix("decoder") }
        private var needsAll: Bool { self == .iteration || self == .operations }
    }

    public let subjects: [Subject]

    /// Makes the networks that the subjects need.
    ///
    /// - Throws: `CheckpointError` where memory runs out.
    public init(
        _ model: BenchmarkModel, height: Int, width: Int, precision: Precision, steps: Int = 4,
        recompute: Recompute = .none, repetitions: Int, subjects: [Subject]
    ) throws {
        (self.model, self.height, self.width, self.precision) = (model, height, width, precision)
        (self.steps, self.recompute, self.subjects) = (steps, recompute, subjects)
        self.repetitions = max(1, repetitions)
        network = subjects.contains { $0.needsNetwork } ? try model.unet(precision) : nil
        decoder = subjects.contains { $0.needsDecoder } ? try model.decoder(precision) : nil
    }

    /// Measures the subjects one after the other; ``operations(_:)`` are asked for by themselves.
    public func run(_ report: (Timing) -> Void) throws {
        for subject in subjects where subject != .operations { report(try measure(subject)) }
    }

    private func measure(_ subject: Subject) throws -> Timing {
        let run = try prepare(subject)
        return try Stopwatch(repetitions: repetitions).measure(subject.rawValue, run.sizes, run.body)
    }

    /// One run of a subject per call of the body, and its sizes in words.
    ///
    /// - Throws: `TensorError` where memory runs out; `GuidanceError` where the networks of the subject were not made.
    public func prepare(_ subject: Subject) throws -> (sizes: String, body: () throws -> Void) {
        let sizes = "\(model.name), \(width) x \(height) pixels, \(precision.rawValue)"
        let latent = try noise(model.latent(1, height: height, width: width), seed: 2)
        switch subject {
        case .unetForward, .unetGradient:
            guard let network else { throw GuidanceError.setting("the U-Net was not asked for") }
            let batch = try noise(model.latent(model.prompts, height: height, width: width), seed: 1)
            let time: Float = 750
            let text = try conditioning(of: network)
            return (
                "\(sizes), \(model.prompts) prompts",
                {
                    guard subject == .unetGradient else {
                        _ = try network(Variable(batch), timestep: time, text)
                        return
                    }
                    let tape = Tape()
                    let x = tape.track(batch)
                    let y = try network(x, timestep: time, text)
                    _ = try tape.gradients(of: y, withRespectTo: [x], seed: batch)
                }
            )
        case .decoderForward, .decoderGradient:
            guard let decoder else { throw GuidanceError.setting("the decoder was not asked for") }
            return (
                sizes,
                {
                    guard subject == .decoderGradient else {
                        _ = try decoder(Variable(latent))
                        return
                    }
                    let tape = Tape()
                    let x = tape.track(latent)
                    _ = try tape.gradients(of: try decoder(x).sum(), withRespectTo: [x])
                }
            )
        case .iteration:
            guard let network, let decoder else { throw GuidanceError.setting("a network was not asked for") }
            var iteration = try GuidedIteration(
                network, decoder, try conditioning(of: network), steps: steps, recompute: recompute, noise: latent)
            return (
                "\(sizes), \(steps) steps of \(model.prompts) prompts, decoder, gradients of all",
                { try iteration.run() }
            )
        case .operations: throw GuidanceError.setting("operations are measured one by one")
        }
    }

    private func conditioning(of network: UNet) throws -> TextConditioning {
        let configuration = network.configuration
        let text = try noise([model.prompts, 77, configuration.textWidth], seed: 3)
        guard let addition = configuration.addition else { return try network.conditioning(text: text) }
        let pooled = try noise([model.prompts, addition.pooledWidth], seed: 4)
        return try network.conditioning(
            text: text, picture: PictureConditioning(pooled: pooled, height: height, width: width))
    }

    private func noise(_ extents: [Int], seed: UInt64) throws -> Tensor {
        var generator = TorchGenerator(seed: seed)
        let shape = try Shape(extents)
        return try Tensor(generator.normals(shape.count), shape: shape)
    }
}
