import Foundation

/// A digest that tells models apart: 128 bits over names and contents of files.
///
/// Not a defence against forgery, for which there are signatures; it notices that two workers hold different weights.
public struct Fingerprint: Sendable, Hashable, CustomStringConvertible {
    // Two lanes of the xor-multiply-rotate mixing that xxHash uses: a word per step, so that gigabytes take seconds.
    private var first: UInt64 = 0x9e37_79b1_85eb_ca87
    private var second: UInt64 = 0xc2b2_ae3d_27d4_eb4f

    /// Configurations and weights of a folder, and further files.
    ///
    /// - Throws: ``CheckpointError`` where a file cannot be read.
    public init(ofFilesIn folder: String, and others: [String] = []) throws(CheckpointError) {
        let root = URL(fileURLWithPath: folder)
        let names = (FileManager.default.enumerator(atPath: folder)?.allObjects ?? []).compactMap { $0 as? String }
        let kinds = [".json", ".safetensors", ".txt", ".onnx"]
        for name in names.sorted() where kinds.contains(where: name.hasSuffix) {
            add(Array(name.utf8))
            try add(fileAt: root.appendingPathComponent(name).path)
        }
        for path in others where !URL(fileURLWithPath: path).path.hasPrefix(root.path + "/") { try add(fileAt: path) }
    }

    private mutating func add(fileAt path: String) throws(CheckpointError) {
        let file = try MappedFile(path)
        mix(UInt64(file.byteCount))
        let words = file.byteCount / 8
        for index in 0..<words {
            mix(UInt64(littleEndian: file.bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)))
        }
        add(Array(file.bytes[(8 * words)...]))
    }

    private mutating func add(_ bytes: [UInt8]) {
        for byte in bytes { mix(UInt64(byte)) }
    }

    private mutating func mix(_ word: UInt64) {
        first = (first ^ word) &* 0x9e37_79b1_85eb_ca87
        first = (first << 31) | (first >> 33)
        second = (second &+ word) &* 0xc2b2_ae3d_27d4_eb4f
        second = ((second << 27) | (second >> 37)) ^ first
    }

    /// 32 hexadecimal digits.
    public var description: String {
        [first, second].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
