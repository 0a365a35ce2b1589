import Autodiff
import Checkpoints
import Foundation
import Networks
import TestSupport
import Tensors
import Testing

/// Every operator against onnxruntime, and every derivative against differences of the operator itself.
@Suite struct ONNXOperatorTests {
    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: Golden.path("onnx"))) ?? []
        return files.filter { $0.hasSuffix(".onnx") }.map { String($0.dropLast(5)) }.sorted()
    }()

    @Test func `There are files to test with`() {
        #expect(ONNXOperatorTests.names.count > 80)
    }

    @Test(arguments: names)
    func `An operator gives what onnxruntime gives`(name: String) throws {
        let network = try ONNXNetwork(file: Golden.path("onnx/\(name).onnx"))
        let golden = try Golden.tensors("onnx/values.safetensors")
        let result = try network(Variable(try input(golden, name)))
        expectClose(result.tensor, try golden.tensor("\(name).y"), within: 2e-6, name)
    }

    @Test(arguments: names)
    func `An operator's derivative is the slope of the operator`(name: String) throws {
        let network = try ONNXNetwork(file: Golden.path("onnx/\(name).onnx"))
        let golden = try Golden.tensors("onnx/values.safetensors")
        let x = try input(golden, name)
        let tape = Tape()
        let tracked = tape.track(x)
        let y = try network(tracked)
        let seed = try noise(y.shape, seed: 3)
        let gradient = try tape.gradients(of: y, withRespectTo: [tracked], seed: seed)[0]
        // Along each of several directions, with a step small enough to cross hardly a kink.
        var expected = 0.0, found = 0.0
        for number in 0..<6 {
            let direction = try noise(x.shape, seed: UInt64(10 + number))
            let step: Float = 2e-3
            func along(_ t: Float) throws -> Double {
                let moved = try Variable(x).adding(Variable(direction).scaled(by: t))
                let y = try network(moved).tensor
                return zip(y.elements, seed.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
            let slope = (try along(step) - along(-step)) / Double(2 * step)
            let predicted = zip(gradient.elements, direction.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            expected += slope * slope
            found += (slope - predicted) * (slope - predicted)
        }
        #expect(found.squareRoot() <= 0.03 * expected.squareRoot() + 2e-3, "\(name): \(found) of \(expected)")
    }

    private func input(_ golden: Safetensors, _ name: String) throws -> Tensor {
        let x = try golden.tensor("\(name).x")
        return x.shape.rank == 4 ? try x.channelsLast() : x
    }

    /// Uniform in -1..<1.
    private func noise(_ shape: Shape, seed: UInt64) throws -> Tensor {
        var state = seed
        return try Tensor(
            (0..<shape.count).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
            }, shape: shape)
    }
}
