public import Autodiff
public import Checkpoints
import Layers
public import Tensors

/// The network of a latent flow: predicts noise or velocity from a latent, a time and a text.
///
/// Diffusers' `UNet2DConditionModel`, after Rombach and others 2022, arXiv 2112.10752.
public struct UNet: Sendable {
    public let configuration: UNetConfiguration
    private let input: Convolution  // conv_in
    private let timeWaves: SinusoidalEmbedding
    private let timeEmbedding: FeedForward  // time_embedding
    private let sizeWaves: SinusoidalEmbedding?
    private let addedEmbedding: FeedForward?  // add_embedding
    private let down: [UNetDownBlock]  // down_blocks
    private let middle: UNetMiddleBlock?  // mid_block
    private let up: [UNetUpBlock]  // up_blocks
    private let outputNorm: GroupNorm  // conv_norm_out, and SiLU
    private let output: Convolution  // conv_out
    private let textAttentions: [Attention]

    /// Loads the network.
    ///
    /// - Throws: ``CheckpointError`` where a tensor is missing or has another shape than the configuration says.
    public init(_ configuration: UNetConfiguration, _ weights: Weights) throws(CheckpointError) {
        self.configuration = configuration
        let (levels, timeWidth) = (configuration.levels, configuration.timeWidth)
        // What every step hangs on and costs next to nothing stays in float32: time, first and last convolution.
        let exact = weights.computing(in: .float32)
        let channels = levels[0].channels
        input = try exact.convolution(
            "conv_in", from: configuration.inputChannels, to: channels, kernel: configuration.inputKernel)
        timeWaves = try exact.waves(configuration, width: channels)
        timeEmbedding = try exact["time_embedding"].twoLinear(from: channels, to: timeWidth)
        if let addition = configuration.addition {
            sizeWaves = try exact.waves(configuration, width: addition.sizeWidth)
            addedEmbedding = try exact["add_embedding"].twoLinear(from: addition.inputWidth, to: timeWidth)
        } else {
            (sizeWaves, addedEmbedding) = (nil, nil)
        }
        var sites: [Attention] = []
        var down: [UNetDownBlock] = []
        for index in levels.indices {
            down.append(try UNetDownBlock(weights["down_blocks"][index], configuration, level: index, sites: &sites))
        }
        self.down = down
        middle =
            configuration.middleTransformers == nil
            ? nil : try UNetMiddleBlock(weights["mid_block"], configuration, sites: &sites)
        var up: [UNetUpBlock] = []
        for index in levels.indices {
            let level = levels.count - 1 - index
            up.append(try UNetUpBlock(weights["up_blocks"][index], configuration, level: level, sites: &sites))
        }
        self.up = up
        outputNorm = try exact.groupNorm(
            "conv_norm_out", channels: channels, groups: configuration.normGroups, epsilon: configuration.normEpsilon,
            silu: true)
        output = try exact.convolution(
            "conv_out", from: channels, to: configuration.outputChannels, kernel: configuration.outputKernel)
        textAttentions = sites
    }

    /// Prepares prompts for ``callAsFunction(_:timestep:_:)``.
    ///
    /// - Parameters:
    ///   - text: States of the text encoder, `[N, T, textWidth]`.
    ///   - picture: Needed by Stable Diffusion XL, and only there.
    /// - Throws: ``TensorError`` where shapes do not fit the network.
    public func conditioning(
        text: Tensor, picture: PictureConditioning? = nil
    ) throws(TensorError) -> TextConditioning {
        guard text.shape.rank == 3, text.shape[2] == configuration.textWidth, text.shape.count > 0 else {
            throw TensorError(
                "conditioning", "text of shape \(text.shape); [N, T, \(configuration.textWidth)] is needed")
        }
        var memories: [KeysAndValues] = []
        for attention in textAttentions { memories.append(try attention.keysAndValues(of: text)) }
        let addition = try picture.map { (picture) throws(TensorError) in try added(picture, count: text.shape[0]) }
        guard (addition == nil) == (configuration.addition == nil) else {
            throw TensorError(
                "conditioning", "this network \(addition == nil ? "needs" : "takes no") picture conditioning")
        }
        return TextConditioning(count: text.shape[0], keysAndValues: memories, addition: addition ?? nil)
    }

    private func added(_ picture: PictureConditioning, count: Int) throws(TensorError) -> Tensor? {
        guard let addition = configuration.addition, let sizeWaves, let addedEmbedding else {
            throw TensorError("conditioning", "this network takes no picture conditioning")
        }
        guard picture.pooled.shape == [count, addition.pooledWidth], picture.sizes.count == 6 else {
            throw TensorError(
                "conditioning",
                "pooled text of shape \(picture.pooled.shape) and \(picture.sizes.count) sizes; "
                    + "[\(count), \(addition.pooledWidth)] and 6 are needed")
        }
        let sizes = [[Float]](repeating: picture.sizes, count: count).flatMap { $0 }
        let waves = try sizeWaves(sizes).reshaped([count, 6 * addition.sizeWidth])
        return try addedEmbedding(
            try .concatenating([Variable(picture.pooled), Variable(waves)], axis: 1)
        ).tensor
    }

    /// Predicts noise or velocity.
    ///
    /// Fewer latents than prompts, as in classifier-free guidance, go together through all that comes before the first
    /// look at a prompt: half of the first level's way down, and the costliest attention of all.
    ///
    /// - Parameters:
    ///   - latent: `[N, h, w, inputChannels]`, any h and w; or fewer, each for every Mth prompt where they are M.
    ///   - timestep: 1000 for noise down to 0 for a picture, the same for all N.
    ///   - text: For N prompts.
    /// - Returns: `[N, h, w, outputChannels]`.
    /// - Throws: ``TensorError`` where shapes do not fit the network.
    public func callAsFunction(
        _ latent: Variable, timestep: Float, _ text: TextConditioning
    ) throws(TensorError) -> Variable {
        guard latent.shape.rank == 4, latent.shape[3] == configuration.inputChannels, latent.shape.count > 0,
            text.count.isMultiple(of: latent.shape[0]), text.keysAndValues.count == textAttentions.count
        else {
            throw TensorError(
                "U-Net",
                "latent of shape \(latent.shape) with \(text.count) prompts; [\(text.count), h, w, "
                    + "\(configuration.inputChannels)] and a conditioning that this network made are needed")
        }
        let time = try embedded(timestep, text)
        // Stable Diffusion XL's time embedding knows the prompts, and every block takes it.
        var x = try input(latent).underPrompts(text.addition == nil ? latent.shape[0] : text.count)
        var skips = [x]
        for block in down { x = try block(x, time, text, &skips) }
        if let middle { x = try middle(x, time, text) }
        for block in up { x = try block(x, time, text, &skips) }
        return try output(try outputNorm(try x.underPrompts(text.count)))
    }

    /// SiLU of the time embedding, with which every residual block starts: `[1, timeWidth]` or `[N, timeWidth]`.
    private func embedded(_ timestep: Float, _ text: TextConditioning) throws(TensorError) -> Variable {
        let time = try timeEmbedding(Variable(try timeWaves([timestep])))
        guard let addition = text.addition else { return try time.activated(.silu) }
        return try time.adding(Variable(addition)).activated(.silu)
    }
}

extension Weights {
    fileprivate func waves(_ configuration: UNetConfiguration, width: Int) throws(CheckpointError)
        -> SinusoidalEmbedding
    {
        try loading("time_proj") { () throws(TensorError) in
            try SinusoidalEmbedding(
                width: width, cosinesFirst: configuration.cosinesFirst, frequencyShift: configuration.frequencyShift)
        }
    }

    /// `linear_1`, SiLU, `linear_2`.
    fileprivate func twoLinear(from inputs: Int, to outputs: Int) throws(CheckpointError) -> FeedForward {
        FeedForward(
            first: try linear("linear_1", from: inputs, to: outputs), activation: .silu,
            second: try linear("linear_2", from: outputs, to: outputs))
    }
}
