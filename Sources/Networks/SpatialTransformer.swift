import Autodiff
import Checkpoints
import Layers
import Tensors

/// Transformer blocks over the pixels of a feature map (diffusers' `Transformer2DModel`).
struct SpatialTransformer: Sendable {
    private let norm: GroupNorm  // norm
    private let projectionIn: Linear  // proj_in: stored as a 1 x 1 convolution or, in newer models, as a linear map
    private let blocks: [TransformerBlock]  // transformer_blocks
    private let projectionOut: Linear  // proj_out

    /// - Parameters:
    ///   - sites: Cross-attentions of the network so far; this adds its own.
    init(
        _ weights: Weights, channels: Int, heads: Int, layers: Int, textWidth: Int, groups: Int,
        sites: inout [Attention]
    ) throws(CheckpointError) {
        norm = try weights.groupNorm("norm", channels: channels, groups: groups, epsilon: 1e-6)
        projectionIn = try weights.linear("proj_in", from: channels, to: channels)
        var blocks: [TransformerBlock] = []
        for index in 0..<layers {
            let part = weights["transformer_blocks"][index]
            blocks.append(
                try TransformerBlock(part, channels: channels, heads: heads, textWidth: textWidth, sites: &sites))
        }
        self.blocks = blocks
        projectionOut = try weights.linear("proj_out", from: channels, to: channels)
    }

    /// `[N, H, W, C]`, or fewer pictures than the N prompts, to `[N, H, W, C]`.
    func callAsFunction(_ x: Variable, _ text: TextConditioning) throws(TensorError) -> Variable {
        let (n, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        func enter(_ x: Variable) throws(TensorError) -> Variable {
            try projectionIn(try norm(x)).reshaped([n, h * w, c])
        }
        var y = blocks.isEmpty ? try enter(x) : x
        for (index, block) in blocks.enumerated() {
            y = try block(y, text) { (x) throws(TensorError) in index == 0 ? try enter(x) : x }
        }
        return try projectionOut(y).reshaped([text.count, h, w, c]).adding(x.underPrompts(text.count))
    }
}

/// Attention among pixels, attention to the text and a feed-forward part (diffusers' `BasicTransformerBlock`).
private struct TransformerBlock: Sendable {
    private let norm1, norm2, norm3: LayerNorm  // norm1, norm2, norm3
    private let selfAttention: Attention  // attn1
    private let textAttention: Attention  // attn2
    private let feedForward: GatedFeedForward  // ff.net
    private let channels: Int
    /// Which of the network's cross-attentions is this block's.
    private let site: Int

    init(
        _ weights: Weights, channels: Int, heads: Int, textWidth: Int, sites: inout [Attention]
    ) throws(CheckpointError) {
        self.channels = channels
        norm1 = try weights.layerNorm("norm1", channels: channels)
        norm2 = try weights.layerNorm("norm2", channels: channels)
        norm3 = try weights.layerNorm("norm3", channels: channels)
        selfAttention = try weights["attn1"].attention(from: channels, to: channels, heads: heads)
        textAttention = try weights["attn2"].attention(from: channels, over: textWidth, to: channels, heads: heads)
        let widen = try weights.linear("ff.net.0.proj", from: channels, to: 8 * channels)
        let narrow = try weights.linear("ff.net.2", from: 4 * channels, to: channels)
        feedForward = try weights.loading("ff") { () throws(TensorError) in
            try GatedFeedForward(widen: widen, narrow: narrow)
        }
        site = sites.count
        sites.append(textAttention)
    }

    /// `[N, T, C]`, or fewer pictures than the N prompts, to `[N, T, C]`.
    ///
    /// - Parameter entry: What makes that of `x`, before the block.
    func callAsFunction(
        _ x: Variable, _ text: TextConditioning, entry: @escaping (Variable) throws(TensorError) -> Variable
    ) throws(TensorError) -> Variable {
        let (x, gated) = try x.recomputable(effort: channels) { (x) throws(TensorError) -> (Variable, Variable) in
            var x = try entry(x)
            x = try x.adding(try selfAttention(try norm1(x))).underPrompts(text.count)
            x = try x.adding(try textAttention(try norm2(x), to: text.keysAndValues[site]))
            return (x, try feedForward.gated(try norm3(x)))
        }
        return try x.adding(try feedForward.narrowed(gated))
    }
}

extension Weights {
    /// `to_q`, `to_k`, `to_v` without biases and `to_out.0` with one.
    fileprivate func attention(
        from channels: Int, over others: Int? = nil, to outputs: Int, heads: Int
    ) throws(CheckpointError) -> Attention {
        let query = try linear("to_q", from: channels, to: channels, bias: false)
        let key = try linear("to_k", from: others ?? channels, to: channels, bias: false)
        let value = try linear("to_v", from: others ?? channels, to: channels, bias: false)
        let output = try linear("to_out.0", from: channels, to: outputs)
        return try loading("to_q") { () throws(TensorError) in
            try Attention(query: query, key: key, value: value, output: output, heads: heads)
        }
    }
}
