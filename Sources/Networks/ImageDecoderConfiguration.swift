import Checkpoints

/// `config.json` of a diffusers `AutoencoderKL`, with that library's defaults.
public struct ImageDecoderConfiguration: Decodable, Sendable, Hashable {
    /// Channels of a latent.
    public let latentChannels: Int
    /// Channels of a picture.
    public let outputChannels: Int
    /// Channels per level, from full resolution down.
    public let channels: [Int]
    /// Residual blocks per level, less one.
    public let layers: Int
    public let normGroups: Int
    /// What latents were multiplied by after encoding.
    public let scale: Float
    /// What was subtracted from latents before that.
    public let shift: Float
    public let hasPostQuantConvolution: Bool
    public let hasMiddleAttention: Bool

    /// Pixels of the picture per pixel of the latent, along each axis.
    public var factor: Int { 1 << (channels.count - 1) }

    enum CodingKeys: String, CodingKey {
        case latentChannels = "latent_channels"
        case outputChannels = "out_channels"
        case channels = "block_out_channels"
        case layers = "layers_per_block"
        case normGroups = "norm_num_groups"
        case scale = "scaling_factor"
        case shift = "shift_factor"
        case hasPostQuantConvolution = "use_post_quant_conv"
        case hasMiddleAttention = "mid_block_add_attention"
        case activation = "act_fn"
        case blockTypes = "up_block_types"
        case latentMean = "latents_mean"
        case latentDeviation = "latents_std"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        latentChannels = try container.value(.latentChannels, or: 4)
        outputChannels = try container.value(.outputChannels, or: 3)
        channels = try container.value(.channels, or: [64])
        layers = try container.value(.layers, or: 1)
        normGroups = try container.value(.normGroups, or: 32)
        scale = try container.value(.scale, or: 0.18215)
        shift = try container.value(.shift, or: 0)
        hasPostQuantConvolution = try container.value(.hasPostQuantConvolution, or: true)
        hasMiddleAttention = try container.value(.hasMiddleAttention, or: true)
        let check = decoder.check
        try check.require("latent_channels", latentChannels, in: 1...256)
        try check.require("out_channels", outputChannels, in: 3...3)
        try check.require("length of block_out_channels", channels.count, in: 1...6)
        try check.require("layers_per_block", layers, in: 1...32)
        try check.require("norm_num_groups", normGroups, in: 1...1024)
        for count in channels {
            try check.require("block_out_channels", count, in: 1...16384)
            try check.require(
                count % normGroups == 0, "norm_num_groups \(normGroups) does not divide \(count) channels")
        }
        try check.require(
            scale.isFinite && scale > 0 && shift.isFinite, "scaling_factor \(scale), shift_factor \(shift)")
        let activation = try container.value(.activation, or: "silu")
        try check.require(["silu", "swish"].contains(activation), "act_fn \(activation) is not supported")
        let types = try container.value(.blockTypes, or: ["UpDecoderBlock2D"])
        try check.require(
            types.count == channels.count && types.allSatisfy { $0 == "UpDecoderBlock2D" },
            "up_block_types must be \(channels.count) times UpDecoderBlock2D")
        for key in [CodingKeys.latentMean, .latentDeviation] where container.contains(key) {
            try check.require(try container.decodeNil(forKey: key), "\(key.rawValue) is not supported")
        }
    }
}
