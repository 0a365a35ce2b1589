import Checkpoints
import Foundation
import TestSupport
import Tensors
import Testing

@Suite struct ONNXReaderTests {
    /// A model of one Relu, with whatever else the graph holds.
    private func model(_ extra: ONNXBytes = ONNXBytes()) -> [UInt8] {
        let node = ONNXBytes().text(1, "x").text(2, "y").text(3, "n").text(4, "Relu")
        let x = ONNXBytes().text(1, "x")
        let y = ONNXBytes().text(1, "y")
        let graph = ONNXBytes().message(1, node).message(11, x).message(12, y).appending(extra)
        let opset = ONNXBytes().text(1, "").varint(2, 13)
        return ONNXBytes().varint(1, 8).message(7, graph).message(8, opset).bytes
    }

    private func initializer(_ tensor: ONNXBytes) throws -> ONNXTensor? {
        try ONNXGraph(bytes: model(ONNXBytes().message(5, tensor.text(8, "w")))).initializers["w"]
    }

    private func numbers(_ tensor: ONNXBytes) throws -> [Float]? {
        guard case .numbers(let numbers)? = try initializer(tensor)?.elements else { return nil }
        return numbers.elements
    }

    private func integers(_ tensor: ONNXBytes) throws -> [Int]? {
        guard case .integers(let integers)? = try initializer(tensor)?.elements else { return nil }
        return integers
    }

    private func failure(_ bytes: [UInt8], _ limits: ONNXLimits = .standard) -> ONNXError? {
        do {
            _ = try ONNXGraph(bytes: bytes, limits: limits)
            return nil
        } catch {
            return error
        }
    }

    @Test func `A real file's nodes, weights and inputs are read`() throws {
        let graph = try ONNXGraph(file: Golden.path("parity/models/face/recognizer.onnx"))
        #expect(graph.producer == "pytorch")
        #expect(graph.opset == 11)
        #expect(graph.inputs == [ONNXInput(name: "input_1", extents: [nil, 3, 112, 112])])
        #expect(graph.outputs == ["189"])
        let gemm = try #require(graph.nodes.first { $0.operation == "Gemm" })
        #expect(try gemm.integer("transB") == 1)
        #expect(try gemm.number("alpha") == 1)
        #expect(graph.initializers["fc.weight"]?.extents == [32, 784])
    }

    @Test func `Numbers of every floating-point type are read from raw and from typed data`() throws {
        let two = ONNXBytes().varint(1, 2)
        func raw(_ type: UInt64, _ bytes: [UInt8]) -> ONNXBytes { two.varint(2, type).data(9, bytes) }
        #expect(try numbers(raw(1, [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])) == [1, -2])
        #expect(try numbers(raw(10, [0, 0x3c, 0, 0xc0])) == [1, -2])
        #expect(try numbers(raw(16, [0x80, 0x3f, 0, 0xc0])) == [1, -2])
        #expect(
            try numbers(raw(11, [0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0])) == [1, -2])
        #expect(try numbers(two.varint(2, 1).data(4, [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])) == [1, -2])
        // Not packed, as the first writers did it.
        #expect(try numbers(two.varint(2, 1).float(4, 1).float(4, -2)) == [1, -2])
        #expect(try numbers(two.varint(2, 10).data(5, [0x80, 0x78, 0x80, 0x80, 0x03])) == [1, -2])
    }

    @Test func `Integers and truth values are read with their signs`() throws {
        let two = ONNXBytes().varint(1, 2)
        #expect(try integers(two.varint(2, 7).data(7, [5] + [UInt8](repeating: 0xff, count: 9) + [1])) == [5, -1])
        #expect(try integers(two.varint(2, 6).data(9, [5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])) == [5, -1])
        #expect(try integers(two.varint(2, 3).data(9, [5, 0xff])) == [5, -1])
        #expect(try integers(two.varint(2, 2).data(9, [5, 0xff])) == [5, 255])
        #expect(try integers(two.varint(2, 9).data(9, [0, 1])) == [0, 1])
    }

    @Test func `Data that does not agree with its extents is refused`() throws {
        let float = ONNXBytes().varint(2, 1)
        for tensor in [
            float.varint(1, 2).data(9, [0, 0, 0, 0]), float.varint(1, 2).data(9, [0, 0, 0, 0, 0]),
            float.varint(1, 2).float(4, 1), float.varint(1, 1 << 62).varint(1, 8).data(9, []),
            float.varint(1, UInt64(bitPattern: -2)).data(9, []), float.varint(1, 1 << 39).data(9, []),
            float.varint(1, 2),
        ] {
            let error = try #require(failure(model(ONNXBytes().message(5, tensor.text(8, "w")))))
            #expect(error.kind == .malformed)
            #expect(error.place == "initializer w")
        }
        let manyAxes = (0..<9).reduce(float) { tensor, _ in tensor.varint(1, 1) }
        #expect(failure(model(ONNXBytes().message(5, manyAxes.data(9, [0, 0, 0, 0]))))?.kind == .unsupported)
    }

    @Test func `Numbers kept in another file are refused with advice`() throws {
        let entry = ONNXBytes().text(1, "location").text(2, "/etc/passwd")
        let tensor = ONNXBytes().varint(1, 2).varint(2, 1).message(13, entry).varint(14, 1).text(8, "w")
        let error = try #require(failure(model(ONNXBytes().message(5, tensor))))
        #expect(error.kind == .unsupported)
        #expect(error.problem.contains("external data off"))
    }

    @Test func `Text that is not UTF-8, doubled names and unknown element types are refused`() {
        let tensor = ONNXBytes().varint(1, 1).varint(2, 1).data(9, [0, 0, 0, 0])
        #expect(failure(model(ONNXBytes().message(5, tensor.data(8, [0xc3, 0x28]))))?.kind == .malformed)
        let named = tensor.text(8, "w")
        #expect(failure(model(ONNXBytes().message(5, named).message(5, named)))?.kind == .malformed)
        #expect(failure(model(ONNXBytes().message(5, ONNXBytes().varint(2, 23).data(9, [0]))))?.kind == .unsupported)
    }

    @Test func `Empty, foreign and cut files are refused`() throws {
        for bytes: [UInt8] in [[], [0xff], Array("#!/bin/sh".utf8), ONNXBytes().varint(1, 8).bytes] {
            #expect(failure(bytes)?.kind == .malformed)
        }
        let whole = model()
        for length in 0..<whole.count { #expect(failure(Array(whole[..<length])) != nil) }
        #expect(throws: ONNXError.self) { try ONNXGraph(file: "/nowhere/model.onnx") }
        #expect(throws: ONNXError.self) { try ONNXGraph(file: NSTemporaryDirectory()) }
    }

    @Test func `Deeply nested graphs do not exhaust the stack`() throws {
        // A subgraph in an attribute of a node of a subgraph...: field 6 of an attribute, which is not read.
        var nested = [UInt8]()
        for _ in 0..<20_000 { nested = ONNXBytes().data(6, nested).bytes }
        let node = ONNXBytes().text(2, "z").text(4, "If").message(
            5, ONNXBytes().text(1, "then").data(6, nested).varint(20, 5))
        let graph = try ONNXGraph(bytes: model(ONNXBytes().message(1, node)))
        guard case .other(type: 5)? = graph.nodes.last?.attributes["then"] else {
            Issue.record("the subgraph was read as something else")
            return
        }
    }

    @Test func `Many small unknown fields are refused before they fill the memory`() {
        // Two bytes each, which the parser would keep in more than sixty.
        let swarm = [UInt8]((0..<4_000_000).flatMap { _ in [0xf8, 0x01, 0x00] as [UInt8] })
        #expect(failure(model() + swarm)?.kind == .tooLarge)
        let names = [UInt8]((0..<4_000_000).flatMap { _ in [0x0a, 0x00] as [UInt8] })
        #expect(failure(model(ONNXBytes().data(1, names)))?.kind == .tooLarge)
    }

    @Test func `Limits on bytes and integers hold`() {
        #expect(failure(model(), ONNXLimits(maximumBytes: 10))?.kind == .tooLarge)
        let many = ONNXBytes().varint(1, 100).varint(2, 2).data(9, [UInt8](repeating: 1, count: 100))
        #expect(failure(model(ONNXBytes().message(5, many)), ONNXLimits(maximumIntegers: 99))?.kind == .tooLarge)
        #expect(failure(model(ONNXBytes().message(5, many)), ONNXLimits(maximumIntegers: 100)) == nil)
    }

    @Test func `A hundred thousand damaged files are read or refused`() throws {
        let names = ["resize_to_computed_size", "conv_then_norm", "split", "layer_norm"]
        let files = try names.map {
            [UInt8](try Data(contentsOf: URL(fileURLWithPath: Golden.path("onnx/\($0).onnx"))))
        }
        var random = Mutations(seed: 1)
        var read = 0, refused = 0
        for round in 0..<100_000 {
            if failure(random.mutated(files[round % files.count])) == nil { read += 1 } else { refused += 1 }
        }
        // Both must happen for the test to mean anything.
        #expect(read > 1000)
        #expect(refused > 1000)
    }
}

/// Writes the wire format of protobuf: as much of it as a test needs to say what a file holds.
struct ONNXBytes {
    private(set) var bytes: [UInt8] = []

    func varint(_ field: UInt64, _ value: UInt64) -> ONNXBytes { with(field, wire: 0, ONNXBytes.encoded(value)) }

    func data(_ field: UInt64, _ data: [UInt8]) -> ONNXBytes {
        with(field, wire: 2, ONNXBytes.encoded(UInt64(data.count)) + data)
    }

    func text(_ field: UInt64, _ text: String) -> ONNXBytes { data(field, Array(text.utf8)) }

    func message(_ field: UInt64, _ message: ONNXBytes) -> ONNXBytes { data(field, message.bytes) }

    func float(_ field: UInt64, _ value: Float) -> ONNXBytes {
        let bits = value.bitPattern
        return with(field, wire: 5, (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) })
    }

    func appending(_ other: ONNXBytes) -> ONNXBytes {
        var result = self
        result.bytes += other.bytes
        return result
    }

    private func with(_ field: UInt64, wire: UInt64, _ content: [UInt8]) -> ONNXBytes {
        var result = self
        result.bytes += ONNXBytes.encoded(field << 3 | wire) + content
        return result
    }

    private static func encoded(_ value: UInt64) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        while rest > 0x7f {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}
