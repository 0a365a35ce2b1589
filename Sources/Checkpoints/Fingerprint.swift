import Dispatch
import Foundation
import Synchronization

/// A digest that tells models apart: 256 bits over names and contents of files.
///
/// Not a defence against forgery, for which there are signatures; it notices that two workers hold different weights.
public struct Fingerprint: Sendable, Hashable, CustomStringConvertible {
    // Four lanes of the xor-multiply-rotate mixing that xxHash uses.
    private var lanes: SIMD4<UInt64> = [
        0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63,
    ]
    private static let factors: SIMD4<UInt64> = [
        0xc2b2_ae3d_27d4_eb4f, 0x9e37_79b1_85eb_ca87, 0x27d4_eb2f_1656_67c5, 0x1656_67b1_9e37_79f9,
    ]

    /// Configurations and weights of a folder.
    ///
    /// - Throws: ``CheckpointError`` where a file cannot be read.
    public init(ofFilesIn folder: String) throws(CheckpointError) {
        let root = URL(fileURLWithPath: folder)
        for name in Fingerprint.names(in: folder) {
            add(Array(name.utf8))
            try add(fileAt: root.appendingPathComponent(name).path)
        }
    }

    /// The files that count, sorted.
    static func names(in folder: String) -> [String] {
        let names = (FileManager.default.enumerator(atPath: folder)?.allObjects ?? []).compactMap { $0 as? String }
        let kinds = [".json", ".safetensors", ".txt", ".onnx"]
        return names.filter { name in kinds.contains(where: name.hasSuffix) }.sorted()
    }

    /// What ``state`` says.
    init?(state: String) {
        let words = state.split(separator: " ").compactMap { UInt64($0, radix: 16) }
        guard words.count == 4 else { return nil }
        lanes = SIMD4(words)
    }

    /// All that later additions go on from, as text.
    var state: String { (0..<4).map { String(lanes[$0], radix: 16) }.joined(separator: " ") }

    /// Of bytes in memory.
    init(of bytes: UnsafeRawBufferPointer) { add(bytes, chunk: 256 << 10) }

    init(of text: String) {
        let bytes = Array(text.utf8)
        self = bytes.withUnsafeBytes { Fingerprint(of: $0) }
    }

    /// Adds those of some files that are not in a folder.
    ///
    /// - Throws: ``CheckpointError`` where a file cannot be read.
    public mutating func add(_ files: [String], notIn folder: String) throws(CheckpointError) {
        let root = URL(fileURLWithPath: folder).path + "/"
        for path in files where !URL(fileURLWithPath: path).path.hasPrefix(root) { try add(fileAt: path) }
    }

    private mutating func add(fileAt path: String) throws(CheckpointError) {
        let file = try MappedFile(path)
        add(file.bytes, chunk: 4 << 20)
    }

    private mutating func add(_ bytes: UnsafeRawBufferPointer, chunk: Int) {
        mix(UInt64(bytes.count))
        // Read by threads that end within this call.
        nonisolated(unsafe) let bytes = bytes
        let count = (bytes.count + chunk - 1) / chunk
        let digests = Mutex([SIMD4<UInt64>](repeating: .zero, count: count))
        // Chunks on all cores: word after word on one, it would take as long as all the rest of loading.
        DispatchQueue.concurrentPerform(iterations: count) { index in
            let start = index * chunk
            let digest = Fingerprint.digest(
                UnsafeRawBufferPointer(rebasing: bytes[start..<min(bytes.count, start + chunk)]))
            digests.withLock { $0[index] = digest }
        }
        for digest in digests.withLock({ $0 }) { for lane in 0..<4 { mix(digest[lane]) } }
    }

    /// Of a chunk: every lane takes its own words, so that the lanes' multiplications overlap.
    private static func digest(_ bytes: UnsafeRawBufferPointer) -> SIMD4<UInt64> {
        var (a, b, c, d) = (factors[0], factors[1], factors[2], factors[3])
        let (f, g, h, i) = (factors[1], factors[2], factors[3], factors[0])
        func word(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        func mixed(_ lane: UInt64, _ word: UInt64, _ factor: UInt64) -> UInt64 {
            let product = (lane ^ word) &* factor
            return (product &<< 31) | (product &>> 33)
        }
        var offset = 0
        while offset + 32 <= bytes.count {
            a = mixed(a, word(offset), f)
            b = mixed(b, word(offset + 8), g)
            c = mixed(c, word(offset + 16), h)
            d = mixed(d, word(offset + 24), i)
            offset += 32
        }
        for byte in bytes[offset...] { (a, b, c, d) = (b, c, d, mixed(a, UInt64(byte), f)) }
        return [a, b, c, d]
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
