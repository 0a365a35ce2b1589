import Autodiff
import Checkpoints
import Networks
import TestSupport
import Tensors
import Testing

/// Networks against what PyTorch computes with the same random weights; tolerances of the fixtures' README.
@Suite struct StableDiffusionParityTests {
    struct Case {
        let folder: DiffusersFolder
        let trace: Safetensors
        let scale: Float
        let size: [Int]

        private struct Parameters: Decodable {
            let model: String
            let scale: Float
            let size: [Int]
        }

        init(_ name: String) throws {
            let parameters = try Golden.json(Parameters.self, "parity/cases/\(name)/params.json")
            folder = try DiffusersFolder(Golden.path("parity/models/\(parameters.model)"))
            trace = try Golden.tensors("parity/cases/\(name)/trace.safetensors")
            (scale, size) = (parameters.scale, parameters.size)
        }

        var isXL: Bool { folder.pipeline == .stableDiffusionXL }

        func encoder(_ component: DiffusersFolder.Component) throws -> CLIPTextEncoder {
            try CLIPTextEncoder(
                try folder.configuration(TextEncoderConfiguration.self, of: component),
                try folder.weights(of: component))
        }

        func unet() throws -> UNet {
            try UNet(try folder.configuration(UNetConfiguration.self, of: .unet), try folder.weights(of: .unet))
        }

        func decoder() throws -> ImageDecoder {
            try ImageDecoder(
                try folder.configuration(ImageDecoderConfiguration.self, of: .decoder),
                try folder.weights(of: .decoder))
        }
    }

    @Test(arguments: ["sd15_person", "sd15_6steps_wide", "sd21_person"])
    func textEncoderGivesThePromptEmbedding(name: String) throws {
        let item = try Case(name)
        let encoder = try item.encoder(.textEncoder)
        for prompt in ["prompt", "negative"] {
            expectClose(
                try encoder(try item.trace.integers("\(prompt)_ids")).last,
                try item.trace.tensor("\(prompt)_embedding"),
                within: 5e-5, "\(name) \(prompt)_embedding")
        }
    }

    @Test(arguments: ["sdxl_person", "sdxl_cfg"])
    func twoTextEncodersGiveTheEmbeddingAndThePooledText(name: String) throws {
        let item = try Case(name)
        let first = try item.encoder(.textEncoder)(try item.trace.integers("prompt_ids"))
        let second = try item.encoder(.textEncoder2)(try item.trace.integers("prompt_ids_2"))
        let both = try Variable.concatenating([Variable(first.penultimate), Variable(second.penultimate)], axis: 2)
        expectClose(both.tensor, try item.trace.tensor("prompt_embedding"), within: 5e-5, "\(name) prompt_embedding")
        expectClose(second.pooled, try item.trace.tensor("pooled"), within: 5e-5, "\(name) pooled")
    }

    /// Cases of four steps, one per window, whose states are all in the trace.
    @Test(arguments: ["sd15_person", "sd15_two_people", "sd15_2rflow", "sd21_person", "sdxl_person", "sdxl_cfg"])
    func networkGivesTheVelocityOfEveryStep(name: String) throws {
        let item = try Case(name)
        let unet = try item.unet()
        let conditioning = try conditioning(of: unet, item)
        let timesteps = try item.trace.tensor("timesteps").elements
        #expect(timesteps.count == 4)
        for (step, timestep) in timesteps.enumerated() {
            let start = try item.trace.tensor(step == 0 ? "initial_noise" : "state.0.\(step)").channelsLast()
            let output = try guided(unet, Variable(start), timestep, conditioning, scale: item.scale)
            let velocity = try velocity(of: output, at: Variable(start), step: step, name)
            expectClose(
                try velocity.tensor.channelsFirst(), try item.trace.tensor("velocity.\(step)"), within: 1e-4,
                "\(name) velocity.\(step)")
        }
    }

    /// Levels 8x12, 4x6, 2x3 and 1x2: the way up has to come back to a width of 3.
    @Test func networkTakesLatentsThatAreOddAtSomeLevel() throws {
        let item = try Case("sd15_6steps_wide")
        let unet = try item.unet()
        let noise = Variable(try item.trace.tensor("initial_noise").channelsLast())
        let output = try guided(unet, noise, 1000, try conditioning(of: unet, item), scale: item.scale)
        // The first of two steps of a window goes half of the way, at the velocity that reaches the window's end.
        let velocity = try velocity(of: output, at: noise, step: 0, "sd15_6steps_wide")
        expectClose(
            try velocity.tensor.channelsFirst(), try item.trace.tensor("velocity.0"), within: 1e-4, "velocity.0")
    }

    private func conditioning(of unet: UNet, _ item: Case) throws -> TextConditioning {
        let prompt = Variable(try item.trace.tensor("prompt_embedding"))
        let negative = Variable(try item.trace.tensor("negative_embedding"))
        let text = item.scale > 1 ? try Variable.concatenating([negative, prompt], axis: 0) : prompt
        guard item.isXL else { return try unet.conditioning(text: text.tensor) }
        let pooled = Variable(try item.trace.tensor("pooled"))
        let both = item.scale > 1 ? try Variable.concatenating([try pooled.scaled(by: 0), pooled], axis: 0) : pooled
        return try unet.conditioning(
            text: text.tensor,
            picture: PictureConditioning(pooled: both.tensor, height: item.size[0], width: item.size[1]))
    }

    /// Classifier-free guidance: away from the negative prompt, which comes first.
    private func guided(
        _ unet: UNet, _ x: Variable, _ timestep: Float, _ conditioning: TextConditioning, scale: Float
    ) throws -> Variable {
        guard scale > 1 else { return try unet(x, timestep: timestep, conditioning) }
        let both = try unet(x, timestep: timestep, conditioning)
        let without = try both.sliced(axis: 0, 0..<1), with = try both.sliced(axis: 0, 1..<2)
        return try without.adding(try with.subtracting(without).scaled(by: scale))
    }

    /// (x_end - x) / (t_end - t) with x_end = lambda x + eta noise for networks that predict noise (PeRFlow's windows);
    /// the output itself otherwise.
    private func velocity(of output: Variable, at x: Variable, step: Int, _ name: String) throws -> Variable {
        if name == "sd21_person" || name == "sd15_2rflow" { return output }
        let lambda: [Float] = [3.485786, 2.214450, 1.559649, 1.216254]
        let eta: [Float] =
            name.hasPrefix("sdxl")
            ? [-2.506379, -1.300941, -0.755837, -0.663755] : [-3.339267, -1.975801, -1.196872, -0.692296]
        let end = try x.scaled(by: lambda[step]).adding(try output.scaled(by: eta[step]))
        return try end.subtracting(x).scaled(by: -4)
    }

    @Test(arguments: ["sd15", "sd21", "sdxl"])
    func encoderGivesTheLatent(model: String) throws {
        let folder = try DiffusersFolder(Golden.path("parity/models/\(model)"))
        let encoder = try ImageEncoder(
            try folder.configuration(of: .decoder), try folder.weights(of: .decoder))
        let golden = try Golden.tensors("made/modules/latents.safetensors")
        let picture = Variable(try golden.tensor("\(model).picture").channelsLast())
        expectClose(
            try encoder(picture).tensor.channelsFirst(), try golden.tensor("\(model).latent"), within: 5e-5, model)
        let error = #expect(throws: TensorError.self) { try encoder(picture.sliced(axis: 1, 0..<23)) }
        #expect(error?.operation == "image encoder")
    }

    @Test(arguments: ["sd15_person", "sd15_6steps_wide", "sd21_person", "sdxl_person"])
    func decoderGivesThePicture(name: String) throws {
        let item = try Case(name)
        let decoder = try item.decoder()
        let last = try #require(item.trace.names.filter { $0.hasPrefix("state.0.") }.max())
        let latent = Variable(try item.trace.tensor(last).channelsLast())
        let picture = try decoder(latent)
        let expected = try item.trace.tensor("image.0")
        let shape = expected.shape
        expectClose(
            try picture.tensor.channelsFirst(), try expected.reshaped([1, shape[0], shape[1], shape[2]]), within: 2e-4,
            "\(name) image.0")
        #expect(picture.shape == [1, item.size[0], item.size[1], 3])
    }
}
