import DemoModel
import Flow
import Foundation
@testable import Generation
import Raster
import Tensors
import Testing

/// What 16-bit products do to guidance.
@Suite struct PrecisionTests {
    private static let narrow = Result { try Model(try DemoModel.directory(), precision: .bfloat16) }

    private func request(person: Int, seed: UInt64) throws -> GenerationRequest {
        let samples = try DemoModel.samples()
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: try #require(samples.dropFirst(person).first))))
        var request = GenerationRequest(
            references: [.init(try Picture.decode(bytes))], prompt: "a portrait of a person in the snow, smiling",
            seed: seed)
        request.iterations = 30
        return request
    }

    private func cosine(_ x: Tensor, _ y: Tensor) -> Double {
        x.device.dot(x, y) / (x.device.dot(x, x) * y.device.dot(y, y)).squareRoot()
    }

    /// From the noise and from where float32's guidance is later on, both go on from one state.
    @Test(arguments: 0..<2) func gradientsPointTheSameWayAtEveryStep(person: Int) throws {
        let wide = try DemoModelTests.model.get(), narrow = try PrecisionTests.narrow.get()
        let request = try request(person: person, seed: UInt64(person + 1))
        var run = try wide.begin(request)
        for iteration in 0...20 {
            let state = run.state
            let expected = try #require(try run.next()).guidance
            guard iteration % 10 == 0 else { continue }
            var other = try narrow.begin(request, resuming: state)
            let found = try #require(try other.next()).guidance
            try #require(found.gradients.count == 4)
            for k in 0..<4 {
                let agreement = cosine(found.gradients[k], expected.gradients[k])
                #expect(agreement >= 0.99, "\(agreement) in iteration \(iteration), step \(k)")
                // Numbers of 8 bits, or nothing would have been measured.
                #expect(found.gradients[k].elements != expected.gradients[k].elements)
            }
        }
    }
}
