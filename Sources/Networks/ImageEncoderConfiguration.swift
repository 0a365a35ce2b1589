import Checkpoints

/// `config.json` of a diffusers `AutoencoderKL`, as its encoder reads it.
public struct ImageEncoderConfiguration: Decodable, Sendable, Hashable {
    /// What encoder and decoder share.
    public let shared: ImageDecoderConfiguration
    public let hasQuantConvolution: Bool

    enum CodingKeys: String, CodingKey {
        case inputChannels = "in_channels"
        case hasQuantConvolution = "use_quant_conv"
        case blockTypes = "down_block_types"
    }

    public init(from decoder: any Decoder) throws {
        shared = try ImageDecoderConfiguration(from: decoder)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        hasQuantConvolution = try container.value(.hasQuantConvolution, or: true)
        let check = decoder.check
        try check.require("in_channels", try container.value(.inputChannels, or: 3), in: 3...3)
        let types = try container.value(.blockTypes, or: ["DownEncoderBlock2D"])
        try check.require(
            types.count == shared.channels.count && types.allSatisfy { $0 == "DownEncoderBlock2D" },
            "down_block_types must be \(shared.channels.count) times DownEncoderBlock2D")
    }
}
