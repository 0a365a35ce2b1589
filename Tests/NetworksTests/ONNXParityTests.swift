import Autodiff
import Checkpoints
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct ONNXParityTests {
    @Test func `The recogniser's embedding and input gradient are onnxruntime's and PyTorch's`() throws {
        let network = try ONNXNetwork(file: Golden.path("parity/models/face/recognizer.onnx"))
        #expect(network.inputShape == [nil, 112, 112, 3])
        let golden = try Golden.tensors("parity/modules/recognizer.safetensors")
        let tape = Tape()
        let input = tape.track(try golden.tensor("input").channelsLast())
        let embedding = try network(input)
        expectClose(embedding.tensor, try golden.tensor("embedding"), within: 5e-5, "embedding")
        let gradient = try tape.gradients(
            of: embedding, withRespectTo: [input], seed: try golden.tensor("cotangent"))
        expectClose(
            gradient[0], try golden.tensor("input_gradient").channelsLast(), within: 1e-3, "input gradient")
    }

    @Test(arguments: [128, 160])
    func `The detector's nine outputs are the reference's at both sizes`(size: Int) throws {
        let network = try ONNXNetwork(file: Golden.path("parity/models/face/detector.onnx"))
        let golden = try Golden.tensors("parity/modules/detector\(size).safetensors")
        let results = try network([Variable(try golden.tensor("input").channelsLast())])
        for (index, name) in network.outputs.enumerated() {
            let result = try #require(results[name])
            expectClose(result.tensor, try golden.tensor("output.\(index)"), within: 5e-5, "output \(index)")
        }
    }
}
