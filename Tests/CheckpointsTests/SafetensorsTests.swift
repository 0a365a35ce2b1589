import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct SafetensorsTests {
    /// A folder of this test's own; gone with it.
    final class Folder: Sendable {
        let path: String

        init() throws {
            let place = FileManager.default.temporaryDirectory.appendingPathComponent(
                "checkpoints-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            path = place.path
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ bytes: [UInt8], _ name: String) throws -> String {
            let file = path + "/" + name
            try Data(bytes).write(to: URL(fileURLWithPath: file))
            return file
        }
    }

    let folder: Folder

    init() throws { folder = try Folder() }

    /// A file with this header and data.
    private func file(_ header: String, data: [UInt8] = []) throws -> String {
        var bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
        bytes += Array(header.utf8) + data
        return try folder.write(bytes, "\(UUID().uuidString).safetensors")
    }

    private func failure(_ path: String) -> CheckpointError? {
        do {
            _ = try Safetensors(path)
            return nil
        } catch {
            return error
        }
    }

    @Test func writtenTensorsAreReadBackBitForBit() throws {
        let a = try Tensor([1, -2.5, .pi, .leastNonzeroMagnitude, 3e38, -0.0], shape: [2, 3])
        let b = try Tensor(7), empty = try Tensor([], shape: [0, 4])
        let path = folder.path + "/a.safetensors"
        try Safetensors.write(
            [("a \"quoted\"\n", a), ("b", b), ("empty", empty)], metadata: ["seed": "42", "é": "\u{1}"], to: path)
        let read = try Safetensors(path)
        #expect(read.names == ["a \"quoted\"\n", "b", "empty"])
        #expect(read.metadata == ["seed": "42", "é": "\u{1}"])
        #expect(read.elementCount == 7)
        #expect(
            try read.tensor("a \"quoted\"\n", [2, 3]).elements.map(\.bitPattern) == a.elements.map(\.bitPattern))
        #expect(try read.tensor("b").elements == [7])
        #expect(try read.tensor("empty").shape == [0, 4])
        let header = try Data(contentsOf: URL(fileURLWithPath: path)).prefix(8)
        #expect(header[0] % 8 == 0, "the data starts at a multiple of eight")
    }

    @Test func halfPrecisionIsWidenedExactlyWhereverItLies() throws {
        // One byte of another tensor first, so that the 16-bit numbers are not aligned.
        let header = """
            {"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},\
            "h":{"dtype":"F16","shape":[2,3],"data_offsets":[1,13]},\
            "b":{"dtype":"BF16","shape":[2],"data_offsets":[13,17]}}
            """
        let halves: [UInt16] = [0x3C00, 0xC500, 0x0001, 0x7BFF, 0x8000, 0x7C00]
        let brains: [UInt16] = [0x3F80, 0xC049]
        let stored: [[UInt8]] = (halves + brains).map { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        let data: [UInt8] = [9] + stored.joined()
        let read = try Safetensors(try file(header, data: data))
        let expected: [Float] = [1, -5, 0x1p-24, 65504, -0.0, .infinity]
        #expect(try read.tensor("h").elements.map(\.bitPattern) == expected.map(\.bitPattern))
        #expect(try read.tensor("b").elements == [1, -3.140625])
        #expect(try read.integers("u") == [9])
    }

    @Test func aNeededShapeThatIsNotThereIsNamedWithBothShapes() throws {
        let path = folder.path + "/w.safetensors"
        try Safetensors.write([("unet.conv.weight", try Tensor(repeating: 0, shape: [2, 3]))], to: path)
        let weights = Weights(try Safetensors(path))["unet"]["conv"]
        #expect(weights.contains("weight"))
        let mismatch = #expect(throws: CheckpointError.self) { try weights.tensor("weight", [3, 2]) }
        #expect(mismatch?.kind == .mismatched)
        let text = mismatch?.description ?? ""
        #expect(["w.safetensors", "unet.conv.weight", "[2, 3]", "[3, 2]"].allSatisfy(text.contains))
        let missing = #expect(throws: CheckpointError.self) { try weights.tensor("bias", [3]) }
        #expect(missing?.kind == .missing)
        #expect(missing?.description.contains("unet.conv.bias") == true)
    }

    @Test(arguments: [
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4),  // too few bytes for the shape
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8),  // bytes that belong to nothing
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8),  // a hole
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 2),  // cut short
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4),
        (
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
            4
        ),
        (
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
            8
        ),
        ("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,0]}}", 0),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,0]}}", 0),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4),
        ("{\"a\":{\"dtype\":\"F12\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0),
        ("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4),
        ("{\"__metadata__\":{\"n\":1}}", 0),
        ("{\"__metadata__\":{\"n\":\"\\uD800\"}}", 0),
        ("{\"a", 0), ("{}x", 0), ("[]", 0), ("", 0), ("{\"a\":[[[[[[[[[[[[", 0), ("{\"a\tb\":{}}", 0),
    ])
    func aHeaderThatBreaksTheRulesIsRefused(header: String, bytes: Int) throws {
        let path = try file(header, data: [UInt8](repeating: 0, count: bytes))
        let error = failure(path)
        #expect(error?.kind == .malformed || error?.kind == .unsupported, "\(header): \(String(describing: error))")
        #expect(error?.file == path)
    }

    @Test func aFileThatIsNoSafetensorsFileIsRefused() throws {
        #expect(failure(folder.path + "/absent.safetensors")?.kind == .unreadable)
        #expect(failure(folder.path)?.kind == .unreadable)
        #expect(mkfifo(folder.path + "/pipe", 0o600) == 0)
        #expect(failure(folder.path + "/pipe")?.kind == .unreadable)
        #expect(failure(try folder.write([], "empty"))?.kind == .malformed)
        #expect(failure(try folder.write([1, 2, 3], "short"))?.kind == .malformed)
        #expect(failure(try folder.write([UInt8](repeating: 0xFF, count: 64), "long header"))?.kind == .malformed)
        let overLimit = withUnsafeBytes(of: UInt64(100_000_001).littleEndian) { Array($0) }
        #expect(failure(try folder.write(overLimit + [0, 0], "over the limit"))?.kind == .malformed)
    }

    /// The first half of the files below differs from a good one in some bytes, the rest are cut somewhere.
    @Test func mutatedFilesNeverTrapAndNeverReadOutOfBounds() throws {
        let tensors: [(name: String, tensor: Tensor)] = [
            ("first", try Tensor([1, 2, 3, 4, 5, 6], shape: [2, 3])), ("second", try Tensor([7, 8], shape: [2])),
        ]
        let good = try Safetensors.encode(tensors, metadata: ["k": "v\\u"])
        var generator = SplitMix(state: 20_241_107)
        let interesting = Array("0123456789{}[]\",:\\u-eF".utf8) + [0, 0x7F, 0x80, 0xC3, 0xFF]
        var refused = 0
        for round in 0..<4000 {
            var bytes = good
            for _ in 0...Int.random(in: 0..<4, using: &generator) {
                let place = Int.random(in: 0..<good.count - 32, using: &generator)
                bytes[place] = interesting[Int.random(in: 0..<interesting.count, using: &generator)]
            }
            if round % 2 == 1 { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
            let path = try folder.write(bytes, "mutated")
            do {
                let file = try Safetensors(path)
                for name in file.names {
                    _ = try? file.tensor(name)
                    _ = try? file.integers(name)
                }
            } catch {
                refused += 1
            }
        }
        #expect(refused > 2000, "most mutations break a rule")
    }

    @Test func shardsAreReadAsOne() throws {
        let one = try Tensor([1], shape: [1]), two = try Tensor([2], shape: [1])
        try Safetensors.write([("a", one)], to: folder.path + "/m-1.safetensors")
        try Safetensors.write([("b", two)], to: folder.path + "/m-2.safetensors")
        let index =
            "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}"
        let whole = try Safetensors(try folder.write(Array(index.utf8), "m.safetensors.index.json"))
        #expect(whole.names == ["a", "b"])
        #expect(try whole.tensor("b").elements == [2])

        for (map, kind) in [
            ("{\"a\":\"../m-1.safetensors\"}", CheckpointError.Kind.malformed), ("{}", .malformed),
            ("{\"c\":\"m-1.safetensors\"}", .missing), ("{\"a\":\"m-3.safetensors\"}", .unreadable),
        ] {
            let path = try folder.write(Array("{\"weight_map\":\(map)}".utf8), "bad.index.json")
            #expect(failure(path)?.kind == kind, "\(map)")
        }
    }

    @Test func aTensorOutlivesItsFileAndItsReader() throws {
        let path = folder.path + "/gone.safetensors"
        try Safetensors.write([("a", try Tensor([1, 2], shape: [2]))], to: path)
        let tensor = try Safetensors(path).tensor("a")
        try FileManager.default.removeItem(atPath: path)
        #expect(tensor.elements == [1, 2])
    }

    @Test func referenceFilesOfPyTorchAreRead() throws {
        let trace = try Golden.tensors("parity/cases/sd15_person/trace.safetensors")
        #expect(trace.shape(of: "initial_noise") == [1, 4, 8, 8])
        #expect(try trace.integers("prompt_ids").count == 77)
        #expect(try trace.tensor("timesteps").elements == [1000, 750, 500, 250])
    }
}

/// A small reproducible generator of random numbers (SplitMix64).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
