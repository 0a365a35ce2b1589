import Autodiff
import Checkpoints
import Foundation
import Networks
import TestSupport
import Tensors
import Testing

@Suite struct ONNXNetworkTests {
    private func graph(
        _ nodes: [ONNXNode], opset: Int = 13, extents: [Int?]? = [1, 3, 8, 8], outputs: [String] = ["y"],
        initializers: [String: ONNXTensor] = [:]
    ) -> ONNXGraph {
        ONNXGraph(
            nodes: nodes, initializers: initializers, inputs: [ONNXInput(name: "x", extents: extents)],
            outputs: outputs,
            opset: opset)
    }

    private func refusal(_ graph: ONNXGraph, maximumElements: Int = 1 << 20) -> ONNXError? {
        do {
            _ = try ONNXNetwork(graph, maximumElements: maximumElements)
            return nil
        } catch {
            return error
        }
    }

    @Test func `An unsupported operator is refused by name, with its node and what there is`() throws {
        let error = try #require(
            refusal(graph([ONNXNode(operation: "GridSample", name: "head.3", inputs: ["x"], outputs: ["y"])])))
        #expect(error.kind == .unsupported)
        #expect(error.place == "node head.3 (GridSample)")
        #expect(error.description.contains("operator GridSample is not implemented; supported are Abs, Add,"))
        #expect(error.description.contains("Unsqueeze"))
    }

    @Test func `An operator of another domain is not taken for ONNX's own`() throws {
        let node = ONNXNode(operation: "Relu", domain: "com.microsoft", inputs: ["x"], outputs: ["y"])
        #expect(try #require(refusal(graph([node]))).description.contains("com.microsoft.Relu"))
    }

    @Test func `What no output depends on need not be supported`() throws {
        let nodes = [
            ONNXNode(operation: "GridSample", inputs: ["x"], outputs: ["unused"]),
            ONNXNode(operation: "Relu", inputs: ["x"], outputs: ["y"]),
        ]
        #expect(refusal(graph(nodes)) == nil)
    }

    @Test(arguments: [
        ONNXNode(operation: "Relu", inputs: ["missing"], outputs: ["y"]),
        ONNXNode(operation: "Relu", inputs: [], outputs: ["y"]),
        ONNXNode(operation: "Conv", inputs: ["x", "x"], outputs: ["y"]),
        ONNXNode(operation: "Transpose", inputs: ["x"], outputs: ["y"], attributes: ["perm": .integers([0, 0, 1, 2])]),
        ONNXNode(operation: "Transpose", inputs: ["x"], outputs: ["y"], attributes: ["perm": .integer(1)]),
        ONNXNode(operation: "Concat", inputs: ["x", "x"], outputs: ["y"], attributes: ["axis": .integer(4)]),
        ONNXNode(operation: "Concat", inputs: ["x", "x"], outputs: ["y"], attributes: ["axis": .integer(.min)]),
        ONNXNode(operation: "Softmax", inputs: ["x"], outputs: ["y"], attributes: ["axis": .integer(-5)]),
        ONNXNode(operation: "Flatten", inputs: ["x"], outputs: ["y"], attributes: ["axis": .integer(9)]),
        ONNXNode(operation: "Split", inputs: ["x"], outputs: [], attributes: [:]),
        ONNXNode(
            operation: "MaxPool", inputs: ["x"], outputs: ["y"],
            attributes: ["kernel_shape": .integers([3, 3]), "pads": .integers([.max, .max, .max, .max])]),
        ONNXNode(
            operation: "MaxPool", inputs: ["x"], outputs: ["y"],
            attributes: ["kernel_shape": .integers([9, 9]), "strides": .integers([0, 1])]),
        ONNXNode(operation: "MaxPool", inputs: ["x"], outputs: ["y"], attributes: ["kernel_shape": .integers([0, 0])]),
        ONNXNode(operation: "ReduceMean", inputs: ["x"], outputs: ["y"], attributes: ["axes": .integers([7])]),
        ONNXNode(operation: "Reshape", inputs: ["x", "x"], outputs: ["y"]),
        ONNXNode(operation: "Constant", inputs: [], outputs: ["y"], attributes: ["value_string": .text("a")]),
        ONNXNode(operation: "Cast", inputs: ["x"], outputs: ["y"], attributes: ["to": .integer(7)]),
    ])
    func `A node that makes no sense is an error`(node: ONNXNode) {
        #expect(refusal(graph([node])) != nil)
    }

    @Test(arguments: [[Int.max, 2, 2], [-1, -1], [-2, 4], [0, 0, 0, 0, 5], [Int.min], [3, 3, -1]])
    func `A reshape to extents that do not fit is an error`(extents: [Int]) {
        let node = ONNXNode(operation: "Reshape", inputs: ["x", "shape"], outputs: ["y"])
        let shape = ONNXTensor(extents: [extents.count], elements: .integers(extents))
        #expect(refusal(graph([node], initializers: ["shape": shape])) != nil)
    }

    @Test func `A value larger than the limit is refused before it is computed`() throws {
        let extents = ONNXTensor(extents: [5], elements: .integers([1 << 20, 1 << 20, 3, 8, 8]))
        let nodes = [ONNXNode(operation: "Expand", inputs: ["x", "extents"], outputs: ["y"])]
        #expect(refusal(graph(nodes, initializers: ["extents": extents]))?.kind == .tooLarge)
        let filled = [ONNXNode(operation: "ConstantOfShape", inputs: ["extents"], outputs: ["y"])]
        #expect(refusal(graph(filled, initializers: ["extents": extents]))?.kind == .tooLarge)
    }

    @Test func `Integer overflow in the arithmetic of shapes is an error`() {
        let big = ONNXTensor(extents: [1], elements: .integers([.max]))
        for operation in ["Add", "Mul", "Div"] {
            let other = ONNXTensor(extents: [1], elements: .integers([operation == "Div" ? 0 : 2]))
            let nodes = [
                ONNXNode(operation: operation, inputs: ["big", "other"], outputs: ["s"]),
                ONNXNode(operation: "Expand", inputs: ["x", "s"], outputs: ["y"]),
            ]
            #expect(refusal(graph(nodes, initializers: ["big": big, "other": other]))?.kind == .malformed)
        }
    }

    @Test func `An old operator set is refused with advice`() {
        let node = ONNXNode(operation: "Relu", inputs: ["x"], outputs: ["y"])
        #expect(refusal(graph([node], opset: 6))?.problem.contains("Export the model again") == true)
    }

    @Test func `An input of another size than the file's is refused`() throws {
        let network = try ONNXNetwork(graph([ONNXNode(operation: "Relu", inputs: ["x"], outputs: ["y"])]))
        #expect(throws: ONNXError.self) { try network(Variable(Tensor(repeating: 0, shape: [1, 8, 9, 3]))) }
        #expect(throws: ONNXError.self) { try network([]) }
        // Any batch goes through.
        #expect(try network(Variable(Tensor(repeating: 0, shape: [5, 8, 8, 3]))).shape == [5, 3, 8, 8])
    }

    @Test func `Several sizes and threads share one network`() async throws {
        let network = try ONNXNetwork(file: Golden.path("parity/models/face/detector.onnx"))
        let golden = [
            128: try Golden.tensors("parity/modules/detector128.safetensors"),
            160: try Golden.tensors("parity/modules/detector160.safetensors"),
        ]
        try await withThrowingTaskGroup { group in
            for size in [128, 160, 128, 160, 160, 128] {
                group.addTask {
                    let values = try #require(golden[size])
                    let results = try network([Variable(try values.tensor("input").channelsLast())])
                    let first = try #require(results[network.outputs[0]])
                    expectClose(first.tensor, try values.tensor("output.0"), within: 5e-5, "output 0 at \(size)")
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func `Damaged files never trap on the way from bytes to numbers`() throws {
        let names = [
            "resize_to_computed_size", "flatten_norm_gemm", "slice_steps", "conv_then_norm", "average_pool_same",
        ]
        let files = try names.map {
            [UInt8](try Data(contentsOf: URL(fileURLWithPath: Golden.path("onnx/\($0).onnx"))))
        }
        var random = Mutations(seed: 5)
        var ran = 0
        for round in 0..<5000 {
            let bytes = random.mutated(files[round % files.count])
            guard let graph = try? ONNXGraph(bytes: bytes),
                let network = try? ONNXNetwork(graph, maximumElements: 1 << 14)
            else { continue }
            let shape = network.inputShape.map { min($0 ?? 6, 64) }
            guard let x = try? Tensor(repeating: 0.5, shape: Shape(shape)) else { continue }
            if (try? network([Variable(x)])) != nil { ran += 1 }
        }
        #expect(ran > 100)
    }
}
