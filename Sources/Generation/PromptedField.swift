import Autodiff
import Flow
import Networks
import Tensors

/// The U-Net under its prompts: the velocity field that a sampler follows.
struct PromptedField: VelocityField {
    let network: UNet
    let guidance: ClassifierFreeGuidance
    let clock: PhaseClock
    private let prompts: Prompts

    /// How the prompts go through the network.
    private enum Prompts {
        /// In one batch: the prompt, or the negative prompt and the prompt.
        case together(TextConditioning)
        /// One after the other, since one of them runs without a tape.
        case apart(negative: TextConditioning, positive: TextConditioning)
    }

    /// - Parameters:
    ///   - positive: What the picture shall show.
    ///   - negative: What it shall not; not evaluated unless guidance is active.
    init(
        _ network: UNet, positive: PromptEncoder.Encoded, negative: PromptEncoder.Encoded,
        guidance: ClassifierFreeGuidance, width: Int, height: Int, clock: PhaseClock
    ) throws(TensorError) {
        self.network = network
        self.guidance = guidance
        self.clock = clock
        func conditioning(_ prompts: [PromptEncoder.Encoded]) throws(TensorError) -> TextConditioning {
            let text = try Variable.concatenating(prompts.map { Variable($0.states) }, axis: 0).tensor
            let pooled = prompts.compactMap { $0.pooled.map { Variable($0) } }
            return try network.conditioning(
                text: text,
                picture: pooled.isEmpty
                    ? nil
                    : PictureConditioning(
                        pooled: try Variable.concatenating(pooled, axis: 0).tensor, height: height, width: width))
        }
        prompts =
            if !guidance.isActive { .together(try conditioning([positive])) } else {
                switch guidance.gradient {
                case .both: .together(try conditioning([negative, positive]))
                case .conditional:
                    .apart(negative: try conditioning([negative]), positive: try conditioning([positive]))
                }
            }
    }

    func callAsFunction(_ x: Variable, timestep: Float, step: Int) throws -> Variable {
        try clock.measure(.network) {
            switch prompts {
            case .together(let both): try guidance.batched(x) { try network($0, timestep: timestep, both) }
            case .apart(let negative, let positive):
                try guidance.separated(x) {
                    try network($0, timestep: timestep, negative)
                } positive: {
                    try network($0, timestep: timestep, positive)
                }
            }
        }
    }
}
