import Autodiff
import Checkpoints
import Networks
import TestSupport
import Tensors
import Testing

/// Networks whose products are in bfloat16, against float32.
///
/// Held to what PyTorch's own mixed precision does to the same networks with the same inputs: the errors of
/// `torch.autocast("cpu", torch.bfloat16)` lie beside the reference values, made by `scripts/make-autocast-fixtures`.
@Suite struct BFloat16NetworkTests {
    /// Relative L2 errors and cosines of autocast's outputs and input gradients.
    struct Errors: Decodable {
        let velocity, velocityGradient, picture, pictureGradient: Double
    }

    @Test(arguments: ["sd15", "sd21", "sdxl"]) func isAsCloseAsPyTorchsMixedPrecision(model: String) throws {
        let autocast = try Golden.json([String: Errors].self, "made/modules/autocast.json")
        let errors = try #require(autocast[model])
        let inputs = try Golden.tensors("made/modules/autocast.safetensors")
        func input(_ name: String) throws -> Tensor { try inputs.tensor("\(model).\(name)") }
        let folder = try DiffusersFolder(Golden.path("parity/models/\(model)"))

        func velocity(_ precision: Precision) throws -> (Tensor, Tensor) {
            let unet = try UNet(
                try folder.configuration(of: .unet), try folder.weights(of: .unet).computing(in: precision))
            let picture =
                unet.configuration.addition == nil
                ? nil : PictureConditioning(pooled: try input("pooled"), height: 64, width: 64)
            let text = try unet.conditioning(text: try input("text"), picture: picture)
            let tape = Tape()
            let x = tape.track(try input("latent").channelsLast())
            let y = try unet(x, timestep: 750, text)
            let seed = try input("velocity_cotangent").channelsLast()
            return (y.tensor, try tape.gradients(of: y, withRespectTo: [x], seed: seed)[0])
        }
        func picture(_ precision: Precision) throws -> (Tensor, Tensor) {
            let decoder = try ImageDecoder(
                try folder.configuration(of: .decoder), try folder.weights(of: .decoder).computing(in: precision))
            let tape = Tape()
            let x = tape.track(try input("latent").channelsLast())
            let y = try decoder(x)
            let seed = try input("picture_cotangent").channelsLast()
            return (y.tensor, try tape.gradients(of: y, withRespectTo: [x], seed: seed)[0])
        }
        for (what, run, output, gradient) in [
            ("velocity", velocity, errors.velocity, errors.velocityGradient),
            ("picture", picture, errors.picture, errors.pictureGradient),
        ] {
            let (narrow, wide) = (try run(.bfloat16), try run(.float32))
            #expect(narrow.0.precision == .float32)
            let (ours, oursGradient) = (relativeError(narrow.0, to: wide.0), relativeError(narrow.1, to: wide.1))
            print("\(model) \(what): \(ours) against \(output), gradient \(oursGradient) against \(gradient)")
            #expect(ours > 0, "\(what): nothing was computed in bfloat16")
            #expect(ours <= output, "\(what)")
            #expect(oursGradient <= gradient, "\(what) gradient")
        }
    }
}
