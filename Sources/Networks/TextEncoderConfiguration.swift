import Checkpoints

/// `config.json` of a CLIP text encoder, with the defaults of the transformers library.
public struct TextEncoderConfiguration: Decodable, Sendable, Hashable {
    /// Width of a token's state.
    public let width: Int
    /// Inner width of the feed-forward layers.
    public let innerWidth: Int
    public let layers: Int
    public let heads: Int
    /// Longest sequence, in tokens.
    public let positions: Int
    public let vocabulary: Int
    public let epsilon: Float
    /// `quick_gelu` or `gelu`.
    public let activation: String
    /// Width of the pooled embedding where the encoder has a projection.
    public let projectionWidth: Int
    /// Id of the token that ends a text; 2 in old files, which means the largest id.
    public let endToken: Int

    enum CodingKeys: String, CodingKey {
        case width = "hidden_size"
        case innerWidth = "intermediate_size"
        case layers = "num_hidden_layers"
        case heads = "num_attention_heads"
        case positions = "max_position_embeddings"
        case vocabulary = "vocab_size"
        case epsilon = "layer_norm_eps"
        case activation = "hidden_act"
        case projectionWidth = "projection_dim"
        case endToken = "eos_token_id"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        width = try container.value(.width, or: 512)
        innerWidth = try container.value(.innerWidth, or: 2048)
        layers = try container.value(.layers, or: 12)
        heads = try container.value(.heads, or: 8)
        positions = try container.value(.positions, or: 77)
        vocabulary = try container.value(.vocabulary, or: 49408)
        epsilon = try container.value(.epsilon, or: 1e-5)
        activation = try container.value(.activation, or: "quick_gelu")
        projectionWidth = try container.value(.projectionWidth, or: 512)
        endToken = try container.value(.endToken, or: 49407)
        let check = decoder.check
        try check.require("hidden_size", width, in: 1...16384)
        try check.require("intermediate_size", innerWidth, in: 1...65536)
        try check.require("num_hidden_layers", layers, in: 1...128)
        try check.require("num_attention_heads", heads, in: 1...width)
        try check.require("max_position_embeddings", positions, in: 2...4096)
        try check.require("vocab_size", vocabulary, in: 3...10_000_000)
        try check.require("projection_dim", projectionWidth, in: 1...16384)
        try check.require(width % heads == 0, "num_attention_heads \(heads) does not divide hidden_size \(width)")
        try check.require(
            ["quick_gelu", "gelu"].contains(activation), "hidden_act \(activation) is not supported")
    }
}
