import Checkpoints

/// `config.json` of a diffusers `UNet2DConditionModel`, with that library's defaults.
///
/// Options that no supported model uses are refused by name rather than ignored, since a network that ignored one would
/// still make pictures, but wrong ones.
public struct UNetConfiguration: Decodable, Sendable, Hashable {
    /// A resolution of the network.
    public struct Level: Sendable, Hashable {
        /// Channels of its features.
        public let channels: Int
        /// Residual blocks on the way down; one more on the way up.
        public let layers: Int
        public let heads: Int
        /// Transformer blocks after each residual block; 0 where the level attends to nothing.
        public let transformersDown: Int
        public let transformersUp: Int
    }

    /// Channels of a latent.
    public let inputChannels: Int
    public let outputChannels: Int
    /// From full resolution down.
    public let levels: [Level]
    /// Transformer blocks at the lowest resolution; nil where there is no middle block.
    public let middleTransformers: Int?
    /// Width of the text encoder's states.
    public let textWidth: Int
    public let normGroups: Int
    public let normEpsilon: Float
    public let cosinesFirst: Bool
    public let frequencyShift: Float
    public let inputKernel: Int
    public let outputKernel: Int
    /// Stable Diffusion XL's further condition: pooled text and picture sizes.
    public let addition: Addition?

    /// Widths of the further condition (`addition_embed_type` `text_time`).
    public struct Addition: Sendable, Hashable {
        /// Width of the waves of each of the six sizes.
        public let sizeWidth: Int
        /// Width of the pooled text and all waves together.
        public let inputWidth: Int
        /// Width of the pooled text.
        public var pooledWidth: Int { inputWidth - 6 * sizeWidth }
    }

    /// Width of the time embedding within the network.
    public var timeWidth: Int { 4 * levels[0].channels }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: UNetKeys.self)
        let check = decoder.check
        try UNetKeys.refuseUnsupported(container, check)
        inputChannels = try container.value(.in_channels, or: 4)
        outputChannels = try container.value(.out_channels, or: 4)
        textWidth = try container.value(.cross_attention_dim, or: 1280)
        normGroups = try container.value(.norm_num_groups, or: 32)
        normEpsilon = try container.value(.norm_eps, or: 1e-5)
        cosinesFirst = try container.value(.flip_sin_to_cos, or: true)
        frequencyShift = try container.value(.freq_shift, or: 0)
        inputKernel = try container.value(.conv_in_kernel, or: 3)
        outputKernel = try container.value(.conv_out_kernel, or: 3)
        try check.require("in_channels", inputChannels, in: 1...256)
        try check.require("out_channels", outputChannels, in: 1...256)
        try check.require("cross_attention_dim", textWidth, in: 1...16384)
        try check.require("norm_num_groups", normGroups, in: 1...1024)
        try check.require(
            [1, 3, 5, 7].contains(inputKernel) && [1, 3, 5, 7].contains(outputKernel),
            "conv_in_kernel \(inputKernel) and conv_out_kernel \(outputKernel) must be 1, 3, 5 or 7")
        levels = try UNetKeys.levels(container, check, groups: normGroups)
        let middle = try container.value(.mid_block_type, or: "UNetMidBlock2DCrossAttn")
        try check.require(middle == "UNetMidBlock2DCrossAttn", "mid_block_type \(middle) is not supported")
        // An explicit null means that the block is left out, which is not the same as the default.
        let isLeftOut = container.contains(.mid_block_type) ? try container.decodeNil(forKey: .mid_block_type) : false
        let transformers = try UNetKeys.transformers(container, check, count: levels.count)
        middleTransformers = isLeftOut ? nil : transformers.last
        addition = try UNetKeys.addition(container, check)
        try check.require(
            levels[0].channels % 2 == 0 && Float(levels[0].channels / 2) > frequencyShift,
            "freq_shift \(frequencyShift) leaves no waves of \(levels[0].channels) channels")
    }
}

/// Keys as they stand in the file, and how groups of them are read.
private enum UNetKeys: String, CodingKey {
    case in_channels, out_channels, down_block_types, mid_block_type, up_block_types, block_out_channels
    case layers_per_block, cross_attention_dim, transformer_layers_per_block, attention_head_dim
    case norm_num_groups, norm_eps, flip_sin_to_cos, freq_shift, conv_in_kernel, conv_out_kernel
    case addition_embed_type, addition_time_embed_dim, projection_class_embeddings_input_dim
    // Refused unless they have no effect.
    case num_attention_heads, class_embed_type, encoder_hid_dim_type, encoder_hid_dim, num_class_embeds
    case time_embedding_act_fn, timestep_post_act, cross_attention_norm, reverse_transformer_layers_per_block
    case time_embedding_dim, only_cross_attention, dual_cross_attention, center_input_sample, resnet_skip_time_act
    case mid_block_only_cross_attention, class_embeddings_concat, resnet_time_scale_shift, time_embedding_type
    case attention_type, act_fn, mid_block_scale_factor, resnet_out_scale_factor, downsample_padding

    typealias Container = KeyedDecodingContainer<UNetKeys>

    static func refuseUnsupported(_ container: Container, _ check: ConfigurationCheck) throws {
        let absent: [UNetKeys] = [
            .num_attention_heads, .class_embed_type, .encoder_hid_dim_type, .encoder_hid_dim, .num_class_embeds,
            .time_embedding_act_fn, .timestep_post_act, .cross_attention_norm, .reverse_transformer_layers_per_block,
            .time_embedding_dim,
        ]
        for key in absent where container.contains(key) {
            try check.require(try container.decodeNil(forKey: key), "\(key.rawValue) is not supported")
        }
        let off: [UNetKeys] = [
            .only_cross_attention, .dual_cross_attention, .center_input_sample, .resnet_skip_time_act,
            .mid_block_only_cross_attention, .class_embeddings_concat,
        ]
        for key in off { try check.require(!(try container.value(key, or: false)), "\(key.rawValue) is not supported") }
        let words: [(UNetKeys, [String])] = [
            (.resnet_time_scale_shift, ["default"]), (.time_embedding_type, ["positional"]),
            (.attention_type, ["default"]), (.act_fn, ["silu", "swish"]),
        ]
        for (key, known) in words {
            let word = try container.value(key, or: known[0])
            try check.require(known.contains(word), "\(key.rawValue) \(word) is not supported")
        }
        for key in [UNetKeys.mid_block_scale_factor, .resnet_out_scale_factor, .downsample_padding] {
            let number = try container.value(key, or: 1.0)
            try check.require(number == 1, "\(key.rawValue) \(number) is not supported, only 1")
        }
    }

    /// What every level says, one value per level.
    private static func perLevel(
        _ container: Container, _ key: UNetKeys, or standard: Int, count: Int, in range: ClosedRange<Int>,
        _ check: ConfigurationCheck
    ) throws -> [Int] {
        guard let values = try container.value(key, or: OneOrMany.one(standard)).expanded(to: count) else {
            throw DecodingError.dataCorruptedError(
                forKey: key, in: container, debugDescription: "a number, or one for each of \(count) levels, is needed")
        }
        for value in values { try check.require(key.rawValue, value, in: range) }
        return values
    }

    static func transformers(_ container: Container, _ check: ConfigurationCheck, count: Int) throws -> [Int] {
        try perLevel(container, .transformer_layers_per_block, or: 1, count: count, in: 0...64, check)
    }

    static func levels(
        _ container: Container, _ check: ConfigurationCheck, groups: Int
    ) throws -> [UNetConfiguration.Level] {
        let channels = try container.value(.block_out_channels, or: [320, 640, 1280, 1280])
        let count = channels.count
        try check.require("length of block_out_channels", count, in: 1...8)
        let down = try container.value(
            .down_block_types,
            or: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"])
        let up = try container.value(
            .up_block_types, or: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"])
        try check.require(
            down.count == count && up.count == count, "down_block_types and up_block_types need \(count) entries each")
        let layers = try perLevel(container, .layers_per_block, or: 2, count: count, in: 1...32, check)
        // Named for the width of a head, but the number of heads: the library keeps the mistake, for its checkpoints.
        let heads = try perLevel(container, .attention_head_dim, or: 8, count: count, in: 1...1024, check)
        let transformers = try transformers(container, check, count: count)
        func attends(_ type: String, _ plain: String, _ attending: String) throws -> Bool {
            try check.require(type == plain || type == attending, "block type \(type) is not supported")
            return type == attending
        }
        return try channels.indices.map { level in
            try check.require("block_out_channels", channels[level], in: 1...16384)
            try check.require(
                channels[level] % groups == 0 && channels[level] % heads[level] == 0,
                "\(channels[level]) channels are not divisible by \(groups) groups and \(heads[level]) heads")
            let goesDown = try attends(down[level], "DownBlock2D", "CrossAttnDownBlock2D")
            let goesUp = try attends(up[count - 1 - level], "UpBlock2D", "CrossAttnUpBlock2D")
            return UNetConfiguration.Level(
                channels: channels[level], layers: layers[level], heads: heads[level],
                transformersDown: goesDown ? transformers[level] : 0, transformersUp: goesUp ? transformers[level] : 0)
        }
    }

    static func addition(
        _ container: Container, _ check: ConfigurationCheck
    ) throws -> UNetConfiguration.Addition? {
        guard let kind = try container.decodeIfPresent(String.self, forKey: .addition_embed_type) else { return nil }
        try check.require(kind == "text_time", "addition_embed_type \(kind) is not supported, only text_time")
        let sizeWidth = try container.decode(Int.self, forKey: .addition_time_embed_dim)
        let inputWidth = try container.decode(Int.self, forKey: .projection_class_embeddings_input_dim)
        try check.require("addition_time_embed_dim", sizeWidth, in: 2...4096)
        try check.require(sizeWidth % 2 == 0, "addition_time_embed_dim \(sizeWidth) is odd")
        try check.require("projection_class_embeddings_input_dim", inputWidth, in: 6 * sizeWidth + 1...65536)
        return UNetConfiguration.Addition(sizeWidth: sizeWidth, inputWidth: inputWidth)
    }
}
