import Autodiff
import Checkpoints
import Foundation
import Networks
import TestSupport
import Tensors
import Testing

/// Gradients of whole networks against finite differences, and properties that need no reference.
@Suite struct DerivativeTests {
    let folder: DiffusersFolder
    let trace: Safetensors

    init() throws {
        folder = try DiffusersFolder(Golden.path("parity/models/sd15"))
        trace = try Golden.tensors("parity/cases/sd15_person/trace.safetensors")
    }

    private func unet() throws -> UNet {
        try UNet(try folder.configuration(UNetConfiguration.self, of: .unet), try folder.weights(of: .unet))
    }

    private func decoder() throws -> ImageDecoder {
        try ImageDecoder(
            try folder.configuration(ImageDecoderConfiguration.self, of: .decoder), try folder.weights(of: .decoder))
    }

    /// Smooth numbers of about unit size that no symmetry of a network is blind to.
    private func waves(_ shape: Shape, _ frequency: Float, size: Float = 1) throws -> Tensor {
        try Tensor((0..<shape.count).map { size * 1.4 * sin(frequency * Float($0) + 0.3) }, shape: shape)
    }

    /// d(sum(f(x) * cotangent))/dx along its own direction and along another, against central differences.
    private func checkGradient(at x: Tensor, step: Float, _ name: String, _ f: (Variable) throws -> Variable) throws {
        let cotangent = try waves(try f(Variable(x)).shape, 0.77)
        let tape = Tape()
        let tracked = tape.track(x)
        let gradient = try tape.gradients(of: try f(tracked), withRespectTo: [tracked], seed: cotangent)[0]
        let size = x.device.dot(gradient, gradient).squareRoot()
        let other = try waves(x.shape, 2.39)
        let otherSize = x.device.dot(other, other).squareRoot()
        #expect(size > 1e-3, "\(name): the gradient is not zero")
        for (direction, length) in [(gradient, size), (other, otherSize)] {
            let unit = try Variable(direction).scaled(by: Float(1 / length))
            let ahead = try f(try Variable(x).adding(try unit.scaled(by: step))).tensor
            let behind = try f(try Variable(x).adding(try unit.scaled(by: -step))).tensor
            let difference = (x.device.dot(ahead, cotangent) - x.device.dot(behind, cotangent)) / Double(2 * step)
            let exact = x.device.dot(gradient, unit.tensor)
            #expect(
                abs(difference - exact) < 5e-3 * size,
                "\(name): finite difference \(difference), derivative \(exact), gradient of size \(size)")
        }
    }

    @Test func gradientOfTheNetworkIsThatOfFiniteDifferences() throws {
        let unet = try unet()
        let conditioning = try unet.conditioning(text: try trace.tensor("prompt_embedding"))
        // 7 x 5: odd at every level, so that every crop of the way up is in the derivative.
        try checkGradient(at: try waves([1, 7, 5, 4], 1.7), step: 0.02, "U-Net") { x in
            try unet(x, timestep: 500, conditioning)
        }
    }

    @Test func gradientOfTheDecoderIsThatOfFiniteDifferences() throws {
        let decoder = try decoder()
        try checkGradient(at: try waves([1, 3, 4, 4], 1.3, size: 0.2), step: 0.0005, "decoder") { x in try decoder(x) }
    }

    @Test func recomputingTheDecoderChangesNoGradient() throws {
        let decoder = try decoder()
        var gradients: [Tensor] = []
        var records: [Int] = []
        for recomputing in [false, true] {
            let tape = Tape()
            let latent = tape.track(try trace.tensor("state.0.4").channelsLast())
            let picture = try decoder(latent, recomputing: recomputing)
            records.append(tape.count)
            gradients += try tape.gradients(of: try picture.mean(), withRespectTo: [latent])
        }
        expectClose(gradients[1], gradients[0], within: 1e-6, "gradient with recomputation")
        #expect(records[1] < records[0] / 2)
    }

    @Test func promptsOfABatchDoNotTouchEachOther() throws {
        let unet = try unet()
        let prompts = try ["negative_embedding", "prompt_embedding"].map { Variable(try trace.tensor($0)) }
        let latents = try [1.1, 2.3].map { Variable(try waves([1, 8, 8, 4], $0)) }
        let together = try unet(
            try .concatenating(latents, axis: 0), timestep: 750,
            try unet.conditioning(text: try Variable.concatenating(prompts, axis: 0).tensor))
        for index in 0..<2 {
            let alone = try unet(latents[index], timestep: 750, try unet.conditioning(text: prompts[index].tensor))
            expectClose(try together.tensor.prefix(index..<index + 1), alone.tensor, within: 1e-5, "picture \(index)")
        }
    }

    /// What no prompt has touched yet is computed once for all of them: values and gradients are those of a latent each.
    @Test func aLatentUnderTwoPromptsIsALatentForEachOfThem() throws {
        let unet = try unet()
        let prompts = try ["negative_embedding", "prompt_embedding"].map { Variable(try trace.tensor($0)) }
        let text = try unet.conditioning(text: try Variable.concatenating(prompts, axis: 0).tensor)
        let weights = Variable(try waves([2, 8, 8, 4], 0.7))
        func run(copies: Int) throws -> (output: Tensor, gradient: Tensor) {
            let tape = Tape()
            let latent = tape.track(try waves([1, 8, 8, 4], 1.1))
            let x = try Variable.concatenating([Variable](repeating: latent, count: copies), axis: 0)
            let output = try unet(x, timestep: 750, text)
            let loss = try output.multiplied(by: weights).sum()
            return (output.tensor, try tape.gradients(of: loss, withRespectTo: [latent])[0])
        }
        let (once, twice) = (try run(copies: 1), try run(copies: 2))
        expectClose(once.output, twice.output, within: 1e-6, "output")
        expectClose(once.gradient, twice.gradient, within: 1e-5, "gradient")
    }

    @Test func operandsThatDoNotFitAreRefused() throws {
        let unet = try unet(), decoder = try decoder()
        let text = try unet.conditioning(text: try trace.tensor("prompt_embedding"))
        let latent = Variable(try waves([2, 8, 8, 4], 1))
        let three = try unet.conditioning(
            text: try Variable.concatenating(
                [Variable](repeating: Variable(try trace.tensor("prompt_embedding")), count: 3), axis: 0
            ).tensor)
        #expect(throws: TensorError.self) { try unet(latent, timestep: 1, three) }
        #expect(throws: TensorError.self) { try unet(latent, timestep: 1, text) }
        #expect(throws: TensorError.self) { try unet.conditioning(text: try waves([1, 77, 31], 1)) }
        #expect(throws: TensorError.self) {
            try unet.conditioning(
                text: try trace.tensor("prompt_embedding"),
                picture: PictureConditioning(pooled: try waves([1, 8], 1), height: 64, width: 64))
        }
        #expect(throws: TensorError.self) { try decoder(Variable(try waves([1, 8, 8, 3], 1))) }
        #expect(throws: TensorError.self) { try decoder(Variable(try waves([8, 8, 4], 1))) }
        let encoder = try CLIPTextEncoder(
            try folder.configuration(of: .textEncoder), try folder.weights(of: .textEncoder))
        #expect(throws: TensorError.self) { try encoder([]) }
        #expect(throws: TensorError.self) { try encoder([Int](repeating: 0, count: 78)) }
        #expect(throws: TensorError.self) { try encoder([630]) }
        #expect(throws: TensorError.self) { try encoder([-1]) }
    }
}
