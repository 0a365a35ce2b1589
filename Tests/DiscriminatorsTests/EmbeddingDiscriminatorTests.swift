import Autodiff
import Checkpoints
import Discriminators
import Networks
import TestSupport
import Tensors
import Testing

@Suite struct EmbeddingDiscriminatorTests {
    private func discriminator(
        _ normalization: EmbeddingDiscriminator.Normalization = .init(mean: [0.5], deviation: [0.5])
    ) throws -> EmbeddingDiscriminator {
        let network = try ONNXNetwork(file: Golden.path("parity/models/face/recognizer.onnx"))
        return try EmbeddingDiscriminator(network: network, normalization: normalization)
    }

    @Test func `A picture of the network's size gives the network's feature`() throws {
        let golden = try Golden.tensors("parity/modules/recognizer.safetensors")
        let input = try golden.tensor("input").prefix(0..<1).channelsLast()
        let picture = try Variable(input).scaled(by: 0.5, plus: 0.5)
        let expected = try golden.tensor("embedding").prefix(0..<1)
        expectClose(try discriminator().embedding(of: picture).tensor, expected, within: 5e-5, "feature")
        let perChannel = try discriminator(.init(mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5]))
        expectClose(try perChannel.embedding(of: picture).tensor, expected, within: 5e-5, "feature, per channel")
    }

    @Test func `A picture of another size is resized, and differentiated through that`() throws {
        let discriminator = try discriminator()
        #expect((discriminator.width, discriminator.height) == (112, 112))
        let numbers = (0..<40 * 30 * 3).map { Float($0 % 17) / 17 }
        let reference = try Tensor(numbers, shape: [1, 40, 30, 3])
        let other = try Tensor(numbers.map { 1 - $0 * $0 }, shape: [1, 40, 30, 3])
        let comparison = try discriminator.comparison(with: [reference, other])
        let tape = Tape()
        let picture = tape.track(other)
        let judgement = try comparison(picture)
        #expect(judgement.similarities[1] > 0.9999)
        #expect(judgement.similarities[0] < judgement.similarities[1])
        let loss = try judgement.loss.tensor.number()
        #expect(abs(loss - 100 * (2 - judgement.similarities[0] - judgement.similarities[1])) < 1e-2)
        let gradient = try tape.gradients(of: judgement.loss, withRespectTo: [picture])[0]
        #expect(gradient.shape == [1, 40, 30, 3])
        #expect(gradient.elements.contains { $0 != 0 })
    }

    @Test(arguments: [([Float](), [1.0 as Float]), ([0.5], [0]), ([0.1, 0.2], [1]), ([.nan], [1])])
    func `Impossible normalisations are refused`(mean: [Float], deviation: [Float]) throws {
        #expect(throws: DiscriminatorError.self) { try discriminator(.init(mean: mean, deviation: deviation)) }
    }
}
