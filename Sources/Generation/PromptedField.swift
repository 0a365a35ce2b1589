import Autodiff
import Flow
import Networks
import Tensors

/// The U-Net under its prompts: the velocity field that a sampler follows.
struct PromptedField: VelocityField {
    let network: UNet
    /// The prompt, or the negative prompt and the prompt.
    let conditioning: TextConditioning
    let guidance: ClassifierFreeGuidance
    let clock: PhaseClock

    /// - Parameters:
    ///   - positive: What the picture shall show.
    ///   - negative: What it shall not; not evaluated unless guidance is active.
    init(
        _ network: UNet, positive: PromptEncoder.Encoded, negative: PromptEncoder.Encoded, scale: Float, width: Int,
        height: Int, clock: PhaseClock
    ) throws(TensorError) {
        self.network = network
        self.clock = clock
        guidance = ClassifierFreeGuidance(scale: scale)
        let prompts = guidance.isActive ? [negative, positive] : [positive]
        let text = try Variable.concatenating(prompts.map { Variable($0.states) }, axis: 0).tensor
        let pooled = prompts.compactMap { $0.pooled.map { Variable($0) } }
        conditioning = try network.conditioning(
            text: text,
            picture: pooled.isEmpty
                ? nil
                : PictureConditioning(
                    pooled: try Variable.concatenating(pooled, axis: 0).tensor, height: height, width: width))
    }

    func callAsFunction(_ x: Variable, timestep: Float, step: Int) throws -> Variable {
        try clock.measure(.network) {
            try guidance.batched(x) { try network($0, timestep: timestep, conditioning) }
        }
    }
}
