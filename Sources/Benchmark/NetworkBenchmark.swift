import Autodiff
import Checkpoints
import Flow
import Networks
public import Tensors

/// Networks of a published size and a guided iteration made of them, on random weights and latents.
public struct NetworkBenchmark {
    public let scale: BenchmarkScale
    /// Pixels of the picture; multiples of 64.
    public let height, width: Int
    public let precision: Precision
    /// Passes of the network in an iteration.
    public let steps: Int
    private let watch: Stopwatch
    private let network: UNet?
    private let decoder: ImageDecoder?

    /// What can be measured.
    public enum Subject: String, Sendable, CaseIterable {
        case unetForward = "unet.forward"
        case unetGradient = "unet.gradient"
        case decoderForward = "decoder.forward"
        case decoderGradient = "decoder.gradient"
        case iteration

        fileprivate var needsNetwork: Bool { self == .iteration || rawValue.hasPrefix("unet") }
        fileprivate var needsDecoder: Bool { self == .iteration || rawValue.hasPrefix("decoder") }
    }

    public let subjects: [Subject]

    /// Makes the networks that the subjects need.
    ///
    /// - Throws: `CheckpointError` where memory runs out.
    public init(
        _ scale: BenchmarkScale, height: Int, width: Int, precision: Precision, steps: Int = 4, repetitions: Int,
        subjects: [Subject]
    ) throws {
        (self.scale, self.height, self.width, self.precision) = (scale, height, width, precision)
        (self.steps, self.subjects) = (steps, subjects)
        watch = Stopwatch(repetitions: repetitions)
        let weights = Weights(RandomWeights(), precision: precision)
        network = subjects.contains { $0.needsNetwork } ? try UNet(try scale.unet(), weights["unet"]) : nil
        decoder =
            subjects.contains { $0.needsDecoder } ? try ImageDecoder(try scale.decoder(), weights["vae"]) : nil
    }

    /// Measures the subjects one after the other.
    public func run(_ report: (Timing) -> Void) throws {
        for subject in subjects { report(try measure(subject)) }
    }

    private func measure(_ subject: Subject) throws -> Timing {
        let prompts = scale.prompts
        let batch = try noise([prompts, height / 8, width / 8, 4], seed: 1)
        let latent = try noise([1, height / 8, width / 8, 4], seed: 2)
        let sizes = "\(scale.rawValue), \(width) x \(height) pixels, \(precision.rawValue)"
        let time: Float = 750
        let text = try network.map { try conditioning(of: $0) }
        switch subject {
        case .unetForward:
            return try watch.measure(subject.rawValue, "\(sizes), \(prompts) prompts") {
                if let network, let text { _ = try network(Variable(batch), timestep: time, text) }
            }
        case .unetGradient:
            return try watch.measure(subject.rawValue, "\(sizes), \(prompts) prompts") {
                let tape = Tape()
                let x = tape.track(batch)
                guard let network, let text else { return }
                let y = try network(x, timestep: time, text)
                _ = try tape.gradients(of: y, withRespectTo: [x], seed: batch)
            }
        case .decoderForward:
            return try watch.measure(subject.rawValue, sizes) { _ = try decoder?(Variable(latent)) }
        case .decoderGradient:
            return try watch.measure(subject.rawValue, sizes) {
                let tape = Tape()
                let x = tape.track(latent)
                guard let y = try decoder?(x) else { return }
                _ = try tape.gradients(of: try y.sum(), withRespectTo: [x])
            }
        case .iteration:
            return try watch.measure(subject.rawValue, "\(sizes), \(steps) steps of \(prompts) prompts, decoder") {
                if let network, let decoder, let text { try iterate(network, decoder, text, from: latent) }
            }
        }
    }

    /// One pass of the sampler with the gradients of every step's offset; a sum of the picture stands for the
    /// discriminator, whose share of the work is a thousandth.
    private func iterate(
        _ network: UNet, _ decoder: ImageDecoder, _ text: TextConditioning, from latent: Tensor
    ) throws {
        let guidance = ClassifierFreeGuidance(scale: scale.prompts > 1 ? 3 : 1)
        let tape = Tape()
        var x = tape.track(latent)
        var states = [x]
        for step in 0..<steps {
            let time = 1000 * Float(steps - step) / Float(steps)
            let velocity = try guidance.batched(x) { try network($0, timestep: time, text) }
            x = try x.adding(try velocity.scaled(by: -1 / Float(steps)))
            states.append(x)
        }
        _ = try tape.gradients(of: try decoder(x).sum(), withRespectTo: states)
    }

    private func conditioning(of network: UNet) throws -> TextConditioning {
        let configuration = network.configuration
        let text = try noise([scale.prompts, 77, configuration.textWidth], seed: 3)
        guard let addition = configuration.addition else { return try network.conditioning(text: text) }
        let pooled = try noise([scale.prompts, addition.pooledWidth], seed: 4)
        return try network.conditioning(
            text: text, picture: PictureConditioning(pooled: pooled, height: height, width: width))
    }

    private func noise(_ extents: [Int], seed: UInt64) throws -> Tensor {
        var generator = TorchGenerator(seed: seed)
        let shape = try Shape(extents)
        return try Tensor(generator.normals(shape.count), shape: shape)
    }
}
