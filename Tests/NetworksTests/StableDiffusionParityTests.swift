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

    @Test(arguments: [
        "sd15_person", "sd15_6steps_wide", "sd15_two_people", "sd15_2rflow", "sd21_person", "sdxl_person", "sdxl_cfg",
    ])
    func networkStepsFromTheNoiseToTheFirstState(name: String) throws {
        let item = try Case(name)
        let unet = try item.unet()
        let prompt = Variable(try item.trace.tensor("prompt_embedding"))
        let noise = Variable(try item.trace.tensor("initial_noise").channelsLast())
        let guided = item.scale > 1
        let negative = Variable(try item.trace.tensor("negative_embedding"))
        let text = guided ? try Variable.concatenating([negative, prompt], axis: 0) : prompt
        let conditioning = try unet.conditioning(text: text.tensor, picture: try picture(item, guided: guided))
        let latent = guided ? try Variable.concatenating([noise, noise], axis: 0) : noise
        let timestep = try item.trace.tensor("timesteps").elements[0]
        var output = try unet(latent, timestep: timestep, conditioning)
        if guided {
            let without = try output.sliced(axis: 0, 0..<1), with = try output.sliced(axis: 0, 1..<2)
            output = try without.adding(try with.subtracting(without).scaled(by: item.scale))
        }
        let velocity = try velocity(of: output, at: noise, name)
        expectClose(
            try velocity.tensor.channelsFirst(), try item.trace.tensor("velocity.0"), within: 1e-4, "\(name) velocity.0"
        )
    }

    private func picture(_ item: Case, guided: Bool) throws -> PictureConditioning? {
        guard item.isXL else { return nil }
        let pooled = Variable(try item.trace.tensor("pooled"))
        let both = guided ? try Variable.concatenating([try pooled.scaled(by: 0), pooled], axis: 0) : pooled
        return PictureConditioning(pooled: both.tensor, height: item.size[0], width: item.size[1])
    }

    /// The first window's velocity from the network's output: noise for the piecewise models, (x_end - x) / (t_e - t_c).
    private func velocity(of output: Variable, at noise: Variable, _ name: String) throws -> Variable {
        if name == "sd21_person" || name == "sd15_2rflow" { return output }
        let (lambda, eta): (Float, Float) =
            name.hasPrefix("sdxl") ? (3.485786, -2.506379) : (3.485786, -3.339267)
        // Within a window of two steps the first goes half of the way, with what is needed to reach its end.
        return try noise.scaled(by: lambda).adding(try output.scaled(by: eta)).subtracting(noise).scaled(by: -4)
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
