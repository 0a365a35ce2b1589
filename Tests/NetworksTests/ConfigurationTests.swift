import Foundation
import Networks
import Testing

/// Configuration files as they are published, and as they must not be.
@Suite struct ConfigurationTests {
    private func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }

    @Test func theFirstModelsLeaveMostToTheDefaults() throws {
        let unet = try decode(
            UNetConfiguration.self,
            """
            {"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu",
             "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280], "center_input_sample": false,
             "cross_attention_dim": 768, "down_block_types":
             ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
             "downsample_padding": 1, "flip_sin_to_cos": true, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2,
             "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32, "out_channels": 4,
             "sample_size": 64, "up_block_types":
             ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]}
            """)
        #expect(unet.levels.map(\.channels) == [320, 640, 1280, 1280])
        #expect(unet.levels.map(\.heads) == [8, 8, 8, 8])
        #expect(unet.levels.map(\.transformersDown) == [1, 1, 1, 0])
        #expect(unet.textWidth == 768 && unet.timeWidth == 1280 && unet.middleTransformers == 1)
        #expect(unet.addition == nil)
        let decoder = try decode(
            ImageDecoderConfiguration.self,
            """
            {"_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [128, 256, 512, 512],
             "in_channels": 3, "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3,
             "sample_size": 512, "up_block_types":
             ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}
            """)
        #expect(decoder.scale == 0.18215 && decoder.shift == 0 && decoder.factor == 8)
    }

    @Test func theXLModelHasTransformersOfDifferentDepth() throws {
        let unet = try decode(
            UNetConfiguration.self,
            """
            {"_class_name": "UNet2DConditionModel", "act_fn": "silu", "addition_embed_type": "text_time",
             "addition_embed_type_num_heads": 64, "addition_time_embed_dim": 256, "attention_head_dim": [5, 10, 20],
             "block_out_channels": [320, 640, 1280], "class_embed_type": null, "cross_attention_dim": 2048,
             "cross_attention_norm": null, "down_block_types":
             ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"], "dual_cross_attention": false,
             "encoder_hid_dim": null, "in_channels": 4, "layers_per_block": 2, "mid_block_only_cross_attention": null,
             "mid_block_type": "UNetMidBlock2DCrossAttn", "num_attention_heads": null, "num_class_embeds": null,
             "only_cross_attention": false, "projection_class_embeddings_input_dim": 2816, "resnet_out_scale_factor": 1.0,
             "resnet_skip_time_act": false, "resnet_time_scale_shift": "default", "sample_size": 128,
             "time_cond_proj_dim": null, "time_embedding_act_fn": null, "time_embedding_type": "positional",
             "timestep_post_act": null, "transformer_layers_per_block": [1, 2, 10], "up_block_types":
             ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "upcast_attention": null,
             "use_linear_projection": true}
            """)
        #expect(unet.levels.map(\.transformersDown) == [0, 2, 10])
        #expect(unet.levels.map(\.transformersUp) == [0, 2, 10])
        #expect(unet.middleTransformers == 10)
        #expect(unet.addition?.pooledWidth == 1280)
    }

    @Test(arguments: [
        "{\"block_out_channels\":[]}", "{\"block_out_channels\":[320,640]}", "{\"norm_num_groups\":0}",
        "{\"norm_num_groups\":7}", "{\"attention_head_dim\":0}", "{\"attention_head_dim\":[8,8]}",
        "{\"attention_head_dim\":-8}", "{\"block_out_channels\":[320,640,1280,9223372036854775807]}",
        "{\"in_channels\":0}", "{\"cross_attention_dim\":[768,768]}", "{\"layers_per_block\":100000}",
        "{\"transformer_layers_per_block\":[[1],[2],[3],[4]]}", "{\"conv_in_kernel\":2}", "{\"freq_shift\":160}",
        "{\"down_block_types\":[\"AttnDownBlock2D\",\"DownBlock2D\",\"DownBlock2D\",\"DownBlock2D\"]}",
        "{\"class_embed_type\":\"timestep\"}", "{\"num_attention_heads\":8}", "{\"dual_cross_attention\":true}",
        "{\"resnet_out_scale_factor\":2}", "{\"addition_embed_type\":\"image\"}",
        "{\"addition_embed_type\":\"text_time\",\"addition_time_embed_dim\":256,\"projection_class_embeddings_input_dim\":100}",
        "{\"mid_block_type\":\"UNetMidBlock2DSimpleCrossAttn\"}", "[]", "3",
    ])
    func aNetworkThatCannotBeIsRefused(text: String) {
        #expect(throws: DecodingError.self) { try decode(UNetConfiguration.self, text) }
    }

    @Test(arguments: [
        "{\"block_out_channels\":[64,64]}", "{\"norm_num_groups\":0}", "{\"scaling_factor\":0}",
        "{\"latent_channels\":-1}",
        "{\"latents_mean\":[0.1]}", "{\"out_channels\":1}", "{\"layers_per_block\":1000000000000}",
        "{\"up_block_types\":[\"AttnUpDecoderBlock2D\"]}",
    ])
    func aDecoderThatCannotBeIsRefused(text: String) {
        #expect(throws: DecodingError.self) { try decode(ImageDecoderConfiguration.self, text) }
    }

    @Test(arguments: [
        "{\"hidden_act\":\"relu\"}", "{\"num_attention_heads\":7}", "{\"num_attention_heads\":0}",
        "{\"max_position_embeddings\":0}", "{\"vocab_size\":-1}",
    ])
    func aTextEncoderThatCannotBeIsRefused(text: String) {
        #expect(throws: DecodingError.self) { try decode(TextEncoderConfiguration.self, text) }
    }
}
