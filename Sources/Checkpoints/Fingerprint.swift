import Foundation

/// A digest that tells models apart: 256 bits over names and contents of files.
///
/// Not a defence against forgery, for which there are signatures; it notices that two workers hold different weights.
public struct Fingerprint: Sendable, Hashable, CustomStringConvertible {
    // Four lanes of the xor-multiply-rotate mixing that xxHash uses: a word per step, so that gigabytes take seconds.
    private var lanes: SIMD4<UInt64> = [
        0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63,
    ]
    private static let factors: SIMD4<UInt64> = [
        0xc2b2_ae3d_27d4_eb4f, 0x9e37_79b1_85eb_ca87, 0x27d4_eb2f_1656_67c5, 0x1656_67b1_9e37_79f9,
    ]

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
        let mixed = (lanes ^ SIMD4(repeating: word)) &* Fingerprint.factors
        lanes = (mixed &<< 31) | (mixed &>> 33)
    }

    /// 64 hexadecimal digits.
    public var description: String {
        // Lanes meet only here: rounds without input carry every bit into every lane.
        var rest = self
        for round in 0..<4 { rest.mix(lanes[round] &+ rest.lanes.wrappedSum()) }
        return (0..<4).map { lane in
            let digits = String(rest.lanes[lane], radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
