/// The parts of a picture file that hold no pixels: the segments of a JPEG before its first scan, the chunks of a PNG.
///
/// Stops at the first part that does not fit the file; whether the file as a whole is sound is for the decoder to say.
struct FileSegments: Sequence, IteratorProtocol {
    struct Segment {
        /// Marker byte of a JPEG segment (0xE1 for APP1), or the four letters of a PNG chunk as a big-endian number.
        let kind: Int
        let payload: ArraySlice<UInt8>
    }

    static let app1 = 0xE1
    static let comment = 0xFE
    static let eXIf = 0x6558_4966
    static let tEXt = 0x7445_5874
    static let iTXt = 0x6954_5874

    private let reader: ByteReader
    private let format: PictureFormat
    private var offset: Int

    init(_ bytes: [UInt8], format: PictureFormat) {
        reader = ByteReader(bytes[...])
        self.format = format
        offset = format == .jpeg ? 2 : 8
    }

    mutating func next() -> Segment? {
        switch format {
        case .jpeg: nextJPEG()
        case .png: nextPNG()
        }
    }

    private mutating func nextJPEG() -> Segment? {
        // Markers may be preceded by any number of fill bytes 0xFF.
        guard reader.byte(at: offset) == 0xFF else { return nil }
        while reader.byte(at: offset) == 0xFF { offset += 1 }
        guard let marker = reader.byte(at: offset) else { return nil }
        offset += 1
        switch marker {
        case 0x01, 0xD0...0xD7:
            return Segment(kind: Int(marker), payload: [])
        case 0x00, 0xD8, 0xD9, 0xDA:
            // Start of scan: entropy-coded data follows, and no metadata that is of interest.
            return nil
        default:
            guard let length = reader.uint16(at: offset), length >= 2,
                let payload = reader.slice(at: offset + 2, count: length - 2)
            else { return nil }
            offset += length
            return Segment(kind: Int(marker), payload: payload)
        }
    }

    private mutating func nextPNG() -> Segment? {
        // Length, type, payload, CRC.
        guard let length = reader.uint32(at: offset), let type = reader.uint32(at: offset + 4),
            let payload = reader.slice(at: offset + 8, count: length)
        else { return nil }
        offset += 12 + length
        return Segment(kind: type, payload: payload)
    }
}
