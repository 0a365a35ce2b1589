import Checkpoints
import Foundation
import Testing

@Suite struct FingerprintTests {
    private func fingerprint(_ files: [String: [UInt8]]) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, bytes) in files { try Data(bytes).write(to: folder.appendingPathComponent(name)) }
        return try Fingerprint(ofFilesIn: folder.path).description
    }

    @Test func theSameFilesHaveTheSameFingerprint() throws {
        let bytes = (0..<1001).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let print = try fingerprint(["a.safetensors": bytes, "b.json": [1]])
        #expect(print == (try fingerprint(["b.json": [1], "a.safetensors": bytes])))
        #expect(print.count == 64 && print.allSatisfy { $0.isHexDigit && !$0.isUppercase })
    }

    @Test func everyBitNameAndLengthCounts() throws {
        let bytes = [UInt8](repeating: 0, count: 65)
        var prints: Set<String> = [try fingerprint(["a.safetensors": bytes])]
        for index in bytes.indices {
            var changed = bytes
            changed[index] = 1 << (index % 8)
            prints.insert(try fingerprint(["a.safetensors": changed]))
        }
        prints.insert(try fingerprint(["b.safetensors": bytes]))
        prints.insert(try fingerprint(["a.safetensors": bytes + [0]]))
        prints.insert(try fingerprint(["a.safetensors": Array(bytes.dropLast())]))
        #expect(prints.count == bytes.count + 4)
    }
}
