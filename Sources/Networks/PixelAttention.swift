import Autodiff
import Checkpoints
import Layers
import Tensors

/// Single-head attention among the pixels of an autoencoder's smallest feature map.
struct PixelAttention: Sendable {
    private let norm: GroupNorm  // group_norm
    private let attention: Attention  // to_q, to_k, to_v, to_out.0; query, key, value, proj_attn in files before 2023

    init(_ weights: Weights, channels: Int, groups: Int) throws(CheckpointError) {
        norm = try weights.groupNorm("group_norm", channels: channels, groups: groups, epsilon: 1e-6)
        let keys =
            weights.contains("query.weight")
            ? ["query", "key", "value", "proj_attn"] : ["to_q", "to_k", "to_v", "to_out.0"]
        let query = try weights.linear(keys[0], from: channels, to: channels)
        let key = try weights.linear(keys[1], from: channels, to: channels)
        let value = try weights.linear(keys[2], from: channels, to: channels)
        let output = try weights.linear(keys[3], from: channels, to: channels)
        attention = try weights.loading(keys[0]) { () throws(TensorError) in
            try Attention(query: query, key: key, value: value, output: output, heads: 1)
        }
    }

    /// `[N, H, W, C]` to the same shape.
    func callAsFunction(_ x: Variable) throws(TensorError) -> Variable {
        let (n, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        return try attention(try norm(x).reshaped([n, h * w, c])).reshaped([n, h, w, c]).adding(x)
    }
}
