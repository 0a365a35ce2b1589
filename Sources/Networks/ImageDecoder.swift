public import Autodiff
public import Checkpoints
import Layers
public import Tensors

/// Latents to pictures: the decoder of a variational autoencoder (diffusers' `AutoencoderKL`).
public struct ImageDecoder: Sendable {
    public let configuration: ImageDecoderConfiguration
    private let postQuantization: Linear?  // post_quant_conv
    private let input: Convolution  // decoder.conv_in
    private let middle1, middle2: ResidualBlock  // decoder.mid_block.resnets
    private let attention: PixelAttention?  // decoder.mid_block.attentions.0
    private let levels: [Level]  // decoder.up_blocks
    private let outputNorm: GroupNorm  // decoder.conv_norm_out, and SiLU
    private let output: Convolution  // decoder.conv_out

    /// Loads the decoder; the encoder's weights stay unread.
    ///
    /// - Throws: ``CheckpointError`` where a tensor is missing or has another shape than the configuration says.
    public init(_ configuration: ImageDecoderConfiguration, _ weights: Weights) throws(CheckpointError) {
        self.configuration = configuration
        let (latent, groups) = (configuration.latentChannels, configuration.normGroups)
        let channels = Array(configuration.channels.reversed())
        // First and last convolution cost next to nothing and stay in float32.
        let exact = weights.computing(in: .float32)
        let decoder = weights["decoder"], middle = decoder["mid_block"]
        postQuantization =
            configuration.hasPostQuantConvolution
            ? try exact.linear("post_quant_conv", from: latent, to: latent) : nil
        input = try exact["decoder"].convolution("conv_in", from: latent, to: channels[0])
        middle1 = try ResidualBlock(
            middle["resnets.0"], from: channels[0], to: channels[0], groups: groups, epsilon: 1e-6)
        attention =
            configuration.hasMiddleAttention
            ? try PixelAttention(middle["attentions.0"], channels: channels[0], groups: groups) : nil
        middle2 = try ResidualBlock(
            middle["resnets.1"], from: channels[0], to: channels[0], groups: groups, epsilon: 1e-6)
        var levels: [Level] = []
        for (index, count) in channels.enumerated() {
            levels.append(
                try Level(
                    decoder["up_blocks"][index], from: channels[max(index - 1, 0)], to: count,
                    layers: configuration.layers + 1, groups: groups, isLast: index == channels.count - 1))
        }
        self.levels = levels
        let last = configuration.channels[0]
        outputNorm = try exact["decoder"].groupNorm(
            "conv_norm_out", channels: last, groups: groups, epsilon: 1e-6, silu: true)
        output = try exact["decoder"].convolution("conv_out", from: last, to: configuration.outputChannels)
    }

    /// Decodes latents.
    ///
    /// - Parameter latent: `[N, h, w, latentChannels]`, as the flow ends.
    /// - Returns: `[N, factor * h, factor * w, 3]`, 0 to 1; the gradient is zero where the decoder left that range.
    /// - Throws: ``TensorError`` where the shape does not fit.
    public func callAsFunction(_ latent: Variable) throws(TensorError) -> Variable {
        guard latent.shape.rank == 4, latent.shape[3] == configuration.latentChannels, latent.shape.count > 0 else {
            throw TensorError(
                "image decoder",
                "latent of shape \(latent.shape); [N, h, w, \(configuration.latentChannels)] is needed")
        }
        var x = try latent.scaled(by: 1 / configuration.scale, plus: configuration.shift)
        if let postQuantization { x = try postQuantization(x) }
        x = try middle1(try input(x))
        if let attention { x = try attention(x) }
        x = try middle2(x)
        for level in levels { x = try level(consume x) }
        return try output(try outputNorm(x)).scaled(by: 0.5, plus: 0.5).clamped(0, 1)
    }
}

extension ImageDecoder {
    /// Residual blocks at one resolution, then twice the resolution.
    private struct Level: Sendable {
        let residuals: [ResidualBlock]  // resnets
        let upsample: Convolution?  // upsamplers.0.conv; not at the last level

        init(
            _ weights: Weights, from inputs: Int, to outputs: Int, layers: Int, groups: Int, isLast: Bool
        ) throws(CheckpointError) {
            var residuals: [ResidualBlock] = []
            for layer in 0..<layers {
                residuals.append(
                    try ResidualBlock(
                        weights["resnets"][layer], from: layer == 0 ? inputs : outputs, to: outputs, groups: groups,
                        epsilon: 1e-6))
            }
            self.residuals = residuals
            upsample =
                isLast ? nil : try weights.convolution("upsamplers.0.conv", from: outputs, to: outputs, repeats: 2)
        }

        func callAsFunction(_ x: consuming Variable) throws(TensorError) -> Variable {
            for residual in residuals { x = try residual(consume x) }
            guard let upsample else { return x }
            return try upsample(x)
        }
    }
}
