/// Bounds-checked numbers out of a file's bytes: out of range is nothing, not a trap.
struct ByteReader {
    let bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
    }

    var count: Int { bytes.count }

    func byte(at offset: Int) -> UInt8? {
        offset >= 0 && offset < bytes.count ? bytes[bytes.startIndex + offset] : nil
    }

    func uint16(at offset: Int, bigEndian: Bool = true) -> Int? {
        guard let first = byte(at: offset), let second = byte(at: offset + 1) else { return nil }
        return bigEndian ? Int(first) << 8 | Int(second) : Int(second) << 8 | Int(first)
    }

    func uint32(at offset: Int, bigEndian: Bool = true) -> Int? {
        guard let first = uint16(at: offset, bigEndian: bigEndian),
            let second = uint16(at: offset + 2, bigEndian: bigEndian)
        else { return nil }
        return bigEndian ? first << 16 | second : second << 16 | first
    }

    /// `count` bytes from `offset`, nothing unless all are there.
    func slice(at offset: Int, count: Int) -> ArraySlice<UInt8>? {
        guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else { return nil }
        return bytes[(bytes.startIndex + offset)..<(bytes.startIndex + offset + count)]
    }
}
