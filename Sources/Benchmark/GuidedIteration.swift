import Autodiff
import Flow
import Networks
import Tensors

/// Passes of the guided sampler over networks of any weights, gradients of every step's offset included.
struct GuidedIteration {
    private var sampler: GuidedSampler<Field, MeanPicture>

    init(
        _ network: UNet, _ decoder: ImageDecoder, _ text: TextConditioning, steps: Int, recompute: Recompute,
        noise: Tensor
    ) throws {
        sampler = try GuidedSampler(
            field: Field(network: network, text: text),
            objective: MeanPicture(decoder: decoder),
            schedule: try .rectified(steps: steps), guidance: Guidance(iterations: 1 << 20, recompute: recompute),
            noise: noise)
    }

    /// One pass: through all steps, to the picture and back.
    mutating func run() throws { _ = try sampler.next() }

    /// The network under its prompts, with classifier-free guidance where these are two.
    private struct Field: VelocityField {
        let network: UNet
        let text: TextConditioning

        func callAsFunction(_ x: Variable, timestep: Float, step: Int) throws -> Variable {
            try ClassifierFreeGuidance(scale: text.count > 1 ? 3 : 1).batched(x) {
                try network($0, timestep: timestep, text)
            }
        }
    }

    /// Stands for the discriminator, whose share of the work is a thousandth.
    private struct MeanPicture: Objective {
        let decoder: ImageDecoder

        func callAsFunction(_ latent: Variable, iteration: Int) throws -> Evaluation<Void> {
            let mean = try decoder(latent).mean()
            return Evaluation(loss: mean, similarity: 0)
        }
    }
}
