import Autodiff
import Checkpoints
import Discriminators
import Foundation
import Networks
import Raster
import TestSupport
import Tensors
import Testing

@Suite struct FaceDiscriminatorTests {
    static let cases = [
        "parity/cases/sd15_person", "parity/cases/sd15_published_gain", "parity/cases/sd15_2rflow",
        "parity/cases/sd15_6steps_wide", "parity/cases/sd15_two_people", "made/cases/sd15_rectified_3steps",
        "made/cases/sd15_tall_5steps", "made/cases/sd15_crossed_pair",
    ]

    private func discriminator() throws -> FaceDiscriminator {
        FaceDiscriminator(
            detector: try FaceDetector(
                network: ONNXNetwork(file: Golden.path("parity/models/face/detector.onnx")), inputSize: 128),
            recognizer: try FaceRecognizer(
                network: ONNXNetwork(file: Golden.path("parity/models/face/recognizer.onnx"))))
    }

    private func picture(_ path: String) throws -> Tensor {
        let picture = try Picture.decode([UInt8](try Data(contentsOf: URL(fileURLWithPath: Golden.path(path)))))
        return try Tensor(picture.pixels.map { Float($0) / 255 }, shape: Shape([1, picture.height, picture.width, 3]))
    }

    private func references(_ name: String) throws -> [Tensor] {
        try ["reference0.jpg", "reference1.jpg"].filter {
            FileManager.default.fileExists(atPath: Golden.path("\(name)/\($0)"))
        }.map { try picture("\(name)/\($0)") }
    }

    @Test(arguments: cases)
    func `References and the first picture are judged as in the recorded run`(name: String) throws {
        let trace = try Golden.tensors("\(name)/trace.safetensors")
        let comparison = try discriminator().comparison(with: try references(name))
        for (person, embedding) in comparison.embeddings.enumerated() {
            expectClose(
                embedding, try trace.tensor("reference_embedding.\(person)"), within: 5e-5, "reference \(person)")
        }
        let judgement = try comparison(Variable(try trace.tensor("image.0").channelsLast()))
        for (detail, recorded, tolerance) in [
            ("boxes", "boxes.0", 1e-5), ("points", "points.0", 1e-5), ("embedding", "embedding.0", 5e-5),
        ] {
            expectClose(try #require(judgement.details[detail]), try trace.tensor(recorded), within: tolerance, detail)
        }
        let loss = try trace.tensor("losses").elements[0]
        #expect(abs(try judgement.loss.tensor.number() - loss) <= 1e-4 * loss)
        let similarity = try trace.tensor("similarities").elements[0]
        #expect(abs(judgement.similarity - similarity) <= 1e-5)
    }

    @Test(arguments: ["parity/cases/sd15_person", "parity/cases/sd15_two_people", "made/cases/sd15_crossed_pair"])
    func `The loss falls along its gradient as fast as the gradient says`(name: String) throws {
        let trace = try Golden.tensors("\(name)/trace.safetensors")
        let comparison = try discriminator().comparison(with: try references(name))
        let tape = Tape()
        let start = try trace.tensor("image.0").channelsLast()
        let image = tape.track(start)
        let loss = try comparison(image).loss
        let gradient = try tape.gradients(of: loss, withRespectTo: [image])[0]
        let squared = gradient.elements.reduce(0) { $0 + Double($1) * Double($1) }
        #expect(squared > 0)
        // Small enough that no pixel is truncated otherwise and the faces stay where they are.
        let step = Float(0.02 / squared.squareRoot())
        func moved(_ factor: Float) throws -> Double {
            let picture = try Variable(start).adding(Variable(gradient).scaled(by: factor))
            let faces = try comparison(picture)
            return Double(try faces.loss.tensor.number())
        }
        let slope = (try moved(step) - moved(-step)) / Double(2 * step)
        #expect(abs(slope - squared) <= 0.1 * squared, "slope \(slope), gradient \(squared)")
    }

    @Test func `A reference is most similar to itself, and the loss then nothing`() throws {
        let reference = try references("parity/cases/sd15_person")
        let comparison = try discriminator().comparison(with: reference)
        let judgement = try comparison(Variable(reference[0]))
        #expect(judgement.similarity > 0.9999)
        #expect(abs(try judgement.loss.tensor.number()) < 1e-2)
    }

    @Test func `References in another order change places, not the loss`() throws {
        let name = "made/cases/sd15_crossed_pair"
        let image = Variable(try Golden.tensors("\(name)/trace.safetensors").tensor("image.0").channelsLast())
        let references = try references(name)
        let ordered = try discriminator().comparison(with: references)
        let reversed = try discriminator().comparison(with: references.reversed())
        let (forward, backward) = (try ordered(image), try reversed(image))
        #expect(forward.similarities == backward.similarities.reversed())
        #expect(abs(try forward.loss.tensor.number() - backward.loss.tensor.number()) < 1e-3)
    }

    @Test func `Pictures of other shapes, no references and too many are errors`() throws {
        let discriminator = try discriminator()
        #expect(throws: DiscriminatorError.references(count: 0, allowed: 1...4)) {
            try discriminator.comparison(with: [])
        }
        let grey = try Tensor(repeating: 0.5, shape: [1, 16, 16, 1])
        #expect(throws: DiscriminatorError.picture([1, 16, 16, 1])) { try discriminator.comparison(with: [grey]) }
        let good = try references("parity/cases/sd15_person")[0]
        #expect(throws: DiscriminatorError.references(count: 5, allowed: 1...4)) {
            try discriminator.comparison(with: [good, good, good, good, good])
        }
    }

    @Test func `A reference without a face is refused by its number`() throws {
        // The detector's biases moved so far down that nothing scores: as a trained one sees an empty picture.
        var graph = try ONNXGraph(file: Golden.path("parity/models/face/detector.onnx"))
        graph.initializers["heads.0.0.bias"] = ONNXTensor(
            extents: [2], elements: .numbers(try Tensor([-50, -50], shape: [2])))
        let blind = FaceDiscriminator(
            detector: try FaceDetector(network: ONNXNetwork(graph), inputSize: 128),
            recognizer: try FaceRecognizer(
                network: ONNXNetwork(file: Golden.path("parity/models/face/recognizer.onnx"))))
        let reference = try references("parity/cases/sd15_person")[0]
        do {
            _ = try blind.comparison(with: [reference])
            Issue.record("a face was found")
        } catch {
            guard case .noFaceInReference(index: 0, _) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(error.description.hasPrefix("reference 1: no face found"))
        }
    }

    @Test func `A picture of no numbers is an error, not a face`() throws {
        let comparison = try discriminator().comparison(with: try references("parity/cases/sd15_person"))
        let empty = Variable(try Tensor(repeating: .nan, shape: [1, 32, 32, 3]))
        #expect(throws: DiscriminatorError.self) { try comparison(empty) }
    }

    @Test func `Networks of another kind are refused when they are loaded`() throws {
        let detector = try ONNXNetwork(file: Golden.path("parity/models/face/detector.onnx"))
        let recognizer = try ONNXNetwork(file: Golden.path("parity/models/face/recognizer.onnx"))
        #expect(throws: DiscriminatorError.self) { try FaceDetector(network: recognizer) }
        #expect(throws: DiscriminatorError.self) { try FaceRecognizer(network: detector) }
        #expect(throws: DiscriminatorError.self) { try FaceDetector(network: detector, inputSize: 100) }
        #expect(throws: DiscriminatorError.self) { try EmbeddingDiscriminator(network: detector) }
    }
}
