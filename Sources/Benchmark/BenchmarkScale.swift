import Foundation
public import Networks

/// A published size of networks, with weights that nobody trained.
public enum BenchmarkScale: String, Sendable, CaseIterable {
    /// Stable Diffusion 1.5, 2.1 and XL.
    case sd15, sd21, sdxl

    /// Side in pixels that it was trained for.
    public var side: Int {
        switch self {
        case .sd15: 512
        case .sd21: 768
        case .sdxl: 1024
        }
    }

    /// Classifier-free guidance evaluates two prompts; a scale of 1 only one.
    public var prompts: Int { self == .sdxl ? 1 : 2 }

    public func unet() throws -> UNetConfiguration {
        try JSONDecoder().decode(UNetConfiguration.self, from: Data(unetConfiguration.utf8))
    }

    public func decoder() throws -> ImageDecoderConfiguration {
        try JSONDecoder().decode(ImageDecoderConfiguration.self, from: Data(decoderConfiguration.utf8))
    }

    /// Numbers of the published `config.json`; the rest are the library's defaults.
    private var unetConfiguration: String {
        switch self {
        case .sd15: #"{"cross_attention_dim": 768, "attention_head_dim": 8}"#
        case .sd21: #"{"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20]}"#
        case .sdxl:
            #"""
            {"cross_attention_dim": 2048, "attention_head_dim": [5, 10, 20], "block_out_channels": [320, 640, 1280],
            "transformer_layers_per_block": [1, 2, 10],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816}
            """#
        }
    }

    private var decoderConfiguration: String {
        #"""
        {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}
        """#
    }
}
