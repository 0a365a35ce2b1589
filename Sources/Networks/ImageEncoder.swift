public import Autodiff
public import Checkpoints
import Layers
public import Tensors

/// Pictures to latents: the encoder of a variational autoencoder (diffusers' `AutoencoderKL`).
///
/// Guidance never needs it; what an autoencoder loses is measured with it.
public struct ImageEncoder: Sendable {
    public let configuration: ImageEncoderConfiguration
    private let input: Convolution  // encoder.conv_in
    private let levels: [Level]  // encoder.down_blocks
    private let middle1, middle2: ResidualBlock  // encoder.mid_block.resnets
    private let attention: PixelAttention?  // encoder.mid_block.attentions.0
    private let outputNorm: GroupNorm  // encoder.conv_norm_out, and SiLU
    private let output: Convolution  // encoder.conv_out
    private let quantization: Linear?  // quant_conv

    /// Loads the encoder; the decoder's weights stay unread.
    ///
    /// - Throws: ``CheckpointError`` where a tensor is missing or has another shape than the configuration says.
    public init(_ configuration: ImageEncoderConfiguration, _ weights: Weights) throws(CheckpointError) {
        self.configuration = configuration
        let shared = configuration.shared
        let (groups, channels, moments) = (shared.normGroups, shared.channels, 2 * shared.latentChannels)
        let encoder = weights["encoder"], middle = encoder["mid_block"]
        input = try encoder.convolution("conv_in", from: 3, to: channels[0])
        var levels: [Level] = []
        for (index, count) in channels.enumerated() {
            levels.append(
                try Level(
                    encoder["down_blocks"][index], from: channels[max(index - 1, 0)], to: count, layers: shared.layers,
                    groups: groups, isLast: index == channels.count - 1))
        }
        self.levels = levels
        let last = channels[channels.count - 1]
        middle1 = try ResidualBlock(middle["resnets.0"], from: last, to: last, groups: groups, epsilon: 1e-6)
        attention =
            shared.hasMiddleAttention
            ? try PixelAttention(middle["attentions.0"], channels: last, groups: groups) : nil
        middle2 = try ResidualBlock(middle["resnets.1"], from: last, to: last, groups: groups, epsilon: 1e-6)
        outputNorm = try encoder.groupNorm("conv_norm_out", channels: last, groups: groups, epsilon: 1e-6, silu: true)
        output = try encoder.convolution("conv_out", from: last, to: moments)
        quantization =
            configuration.hasQuantConvolution ? try weights.linear("quant_conv", from: moments, to: moments) : nil
    }

    /// Encodes pictures.
    ///
    /// - Parameter picture: `[N, factor * h, factor * w, 3]`, 0 to 1.
    /// - Returns: The mean of the latents' distribution, `[N, h, w, latentChannels]`, as a flow ends and
    ///   ``ImageDecoder`` takes it.
    /// - Throws: ``TensorError`` where the shape does not fit.
    public func callAsFunction(_ picture: Variable) throws(TensorError) -> Variable {
        let shared = configuration.shared
        let shape = picture.shape
        guard shape.rank == 4, shape[3] == 3, shape.count > 0, shape[1] % shared.factor == 0,
            shape[2] % shared.factor == 0
        else {
            throw TensorError(
                "image encoder", "picture of shape \(shape); [N, H, W, 3] with sides in multiples of \(shared.factor)")
        }
        var x = try input(try picture.scaled(by: 2, plus: -1))
        for level in levels { x = try level(x) }
        x = try middle1(x)
        if let attention { x = try attention(x) }
        x = try output(try outputNorm(try middle2(x)))
        if let quantization { x = try quantization(x) }
        // Means first, then logarithms of variances.
        let mean = try x.sliced(axis: 3, 0..<shared.latentChannels)
        return try mean.scaled(by: shared.scale, plus: -shared.shift * shared.scale)
    }
}

extension ImageEncoder {
    /// Residual blocks at one resolution, then half the resolution.
    private struct Level: Sendable {
        let residuals: [ResidualBlock]  // resnets
        let downsample: Convolution?  // downsamplers.0.conv; not at the last level

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
            downsample = isLast ? nil : try Level.halving(weights["downsamplers.0"], channels: outputs)
        }

        /// Stride 2 with zeros at the right and the bottom only, as diffusers pads these.
        private static func halving(_ weights: Weights, channels: Int) throws(CheckpointError) -> Convolution {
            let weight = try weights.tensor("conv.weight", [channels, channels, 3, 3])
            let bias = try weights.tensor("conv.bias", [channels])
            return try weights.loading("conv") { () throws(TensorError) in
                try Convolution(
                    weight: weight, bias: bias,
                    Window(strides: (2, 2), padding: (top: 0, left: 0, bottom: 1, right: 1)))
            }
        }

        func callAsFunction(_ x: Variable) throws(TensorError) -> Variable {
            var x = x
            for residual in residuals { x = try residual(x) }
            return try downsample.map { (halve) throws(TensorError) in try halve(x) } ?? x
        }
    }
}
