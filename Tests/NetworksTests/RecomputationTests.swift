import Autodiff
import Checkpoints
import Networks
import TestSupport
import Tensors
import Testing

/// Networks whose transformers run again on the way back.
@Suite struct RecomputationTests {
    /// The same bits with every segment released, with none and with some, whether prompts share a latent or not; and
    /// the operations that ran again are those of the transformers up to the last linear map.
    @Test(arguments: ["sd15", "sdxl"], [Precision.float32, .bfloat16])
    func releasedSegmentsGiveTheSameBits(model: String, precision: Precision) throws {
        let folder = try DiffusersFolder(Golden.path("parity/models/\(model)"))
        let unet = try UNet(
            try folder.configuration(UNetConfiguration.self, of: .unet),
            try folder.weights(of: .unet).computing(in: precision))
        let inputs = try Golden.tensors("made/modules/autocast.safetensors")
        func input(_ name: String) throws -> Tensor { try inputs.tensor("\(model).\(name)") }
        let text = Variable(try input("text"))
        let pooled = try unet.configuration.addition.map { _ in
            let one = Variable(try input("pooled"))
            return PictureConditioning(
                pooled: try Variable.concatenating([one, one], axis: 0).tensor, height: 64, width: 64)
        }
        let conditioning = try unet.conditioning(
            text: try Variable.concatenating([text, try text.scaled(by: -1)], axis: 0).tensor, picture: pooled)
        let latent = try input("latent").channelsLast()
        func gradient(_ tape: Tape, releasing count: Int) throws -> (bits: [UInt32], operations: Double) {
            let x = tape.track(latent)
            let y = try unet(x, timestep: 750, conditioning)
            for _ in 0..<count { tape.release() }
            let profile = OperationProfile()
            let found = try CPU.$profile.withValue(profile) {
                try tape.gradients(of: y, withRespectTo: [x], seed: y.tensor)[0]
            }
            return (found.elements.map(\.bitPattern), profile.operations)
        }
        let plain = try gradient(Tape(), releasing: 0)
        var last = plain.operations
        for count in [0, 1, 3, 1000] {
            let other = try gradient(Tape(isReleasable: true), releasing: count)
            #expect(other.bits == plain.bits, "\(count) segments released")
            #expect(count == 0 ? other.operations == last : other.operations > last)
            last = other.operations
        }
        let forward = OperationProfile()
        try CPU.$profile.withValue(forward) { _ = try unet(Variable(latent), timestep: 750, conditioning) }
        #expect(last - plain.operations < 0.5 * forward.operations, "less than half of the network runs again")
    }
}
