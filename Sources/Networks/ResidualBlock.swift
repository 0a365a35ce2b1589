import Autodiff
import Checkpoints
import Layers
import Tensors

/// Two convolutions behind normalisations, beside a shortcut (diffusers' `ResnetBlock2D`).
struct ResidualBlock: Sendable {
    private let norm1: GroupNorm  // norm1, and SiLU
    private let convolution1: Convolution  // conv1
    private let timeProjection: Linear?  // time_emb_proj
    private let norm2: GroupNorm  // norm2, and SiLU
    private let convolution2: Convolution  // conv2
    private let shortcut: Linear?  // conv_shortcut, where the number of channels changes
    /// Of everything but the sum with the input, which carries what all blocks before it have added.
    private let precision: Precision

    init(
        _ weights: Weights, from inputs: Int, to outputs: Int, timeWidth: Int? = nil, groups: Int, epsilon: Float
    ) throws(CheckpointError) {
        precision = weights.precision
        norm1 = try weights.groupNorm("norm1", channels: inputs, groups: groups, epsilon: epsilon, silu: true)
        convolution1 = try weights.convolution("conv1", from: inputs, to: outputs)
        if let timeWidth {
            // One row: nothing to gain by bfloat16.
            timeProjection = try weights.computing(in: .float32).linear("time_emb_proj", from: timeWidth, to: outputs)
        } else {
            timeProjection = nil
        }
        norm2 = try weights.groupNorm("norm2", channels: outputs, groups: groups, epsilon: epsilon, silu: true)
        convolution2 = try weights.convolution("conv2", from: outputs, to: outputs)
        shortcut = inputs == outputs ? nil : try weights.linear("conv_shortcut", from: inputs, to: outputs)
    }

    /// `[N, H, W, inputs]` to `[N, H, W, outputs]`.
    ///
    /// - Parameter time: SiLU of the time embedding, `[1, timeWidth]` or `[N, timeWidth]`.
    func callAsFunction(_ x: consuming Variable, time: Variable? = nil) throws(TensorError) -> Variable {
        var y = try norm1(x)
        // Now, so that the input, the largest tensor of a decoder, is not held any longer.
        if let shortcut { x = try shortcut(x) }
        if let time, let timeProjection {
            let shift = try timeProjection(time)
            if shift.shape[0] == 1 {
                y = try convolution1(y, shift: try shift.tensor.reshaped([shift.shape[1]]), result: precision)
            } else {
                let perPicture = try shift.reshaped([shift.shape[0], 1, 1, shift.shape[1]])
                y = try convolution1(y).adding(perPicture)
            }
        } else {
            y = try convolution1(y, result: precision)
        }
        y = try convolution2(try norm2(y))
        return try (consume y).adding(x)
    }
}
