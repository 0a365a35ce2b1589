/// How a camera was held: EXIF's orientation tag, which says how to turn the stored pixels for display.
///
/// Source: Exif 2.32, 4.6.4 A, tag 0x0112.
enum Orientation: Int, CaseIterable {
    case upright = 1
    case mirrored = 2
    case upsideDown = 3
    case flipped = 4
    case transposed = 5
    /// Stored lying on its left side; a clockwise quarter turn sets it upright.
    case quarterTurn = 6
    case transversed = 7
    case threeQuarterTurn = 8

    /// Upright where the file says nothing, or nothing sensible: a damaged tag must not make a good picture unreadable.
    init(ofFile bytes: [UInt8], format: PictureFormat) {
        self = .upright
        for segment in FileSegments(bytes, format: format) {
            let tiff: ArraySlice<UInt8>
            switch segment.kind {
            case FileSegments.app1 where format == .jpeg && segment.payload.starts(with: Array("Exif\0\0".utf8)):
                tiff = segment.payload.dropFirst(6)
            case FileSegments.eXIf where format == .png: tiff = segment.payload
            default: continue
            }
            self = Orientation(tiff: tiff) ?? .upright
            return
        }
    }

    /// Finds the tag in the first directory of a TIFF structure.
    ///
    /// The directory is read in place, entry by entry, so a hostile offset or count costs nothing.
    init?(tiff: ArraySlice<UInt8>) {
        let reader = ByteReader(tiff)
        let isBigEndian: Bool
        switch (reader.byte(at: 0), reader.byte(at: 1)) {
        case (0x4D, 0x4D): isBigEndian = true
        case (0x49, 0x49): isBigEndian = false
        default: return nil
        }
        guard reader.uint16(at: 2, bigEndian: isBigEndian) == 42,
            let directory = reader.uint32(at: 4, bigEndian: isBigEndian),
            let count = reader.uint16(at: directory, bigEndian: isBigEndian)
        else { return nil }
        for entry in 0..<count {
            let offset = directory + 2 + 12 * entry
            guard let tag = reader.uint16(at: offset, bigEndian: isBigEndian) else { return nil }
            guard tag == 0x0112 else { continue }
            // Type SHORT (3), one value, stored in the entry itself.
            guard reader.uint16(at: offset + 2, bigEndian: isBigEndian) == 3,
                reader.uint32(at: offset + 4, bigEndian: isBigEndian) == 1,
                let value = reader.uint16(at: offset + 8, bigEndian: isBigEndian)
            else { return nil }
            self.init(rawValue: value)
            return
        }
        return nil
    }
}

extension Picture {
    /// The picture set upright.
    func turned(_ orientation: Orientation) throws(PictureError) -> Picture {
        let (w, h) = (width, height)
        // Index of the stored pixel that the turned picture begins with, and how far to go for its next column and row.
        let (start, column, row): (Int, Int, Int) =
            switch orientation {
            case .upright: (0, 1, w)
            case .mirrored: (w - 1, -1, w)
            case .upsideDown: (w * h - 1, -1, -w)
            case .flipped: (w * (h - 1), 1, -w)
            case .transposed: (0, w, 1)
            case .quarterTurn: (w * (h - 1), -w, 1)
            case .transversed: (w * h - 1, -w, -1)
            case .threeQuarterTurn: (w - 1, w, -1)
            }
        guard orientation != .upright else { return self }
        let (turnedWidth, turnedHeight) = orientation.rawValue >= 5 ? (h, w) : (w, h)
        let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { buffer, count in
            pixels.withUnsafeBufferPointer { source in
                var target = 0
                for y in 0..<turnedHeight {
                    for x in 0..<turnedWidth {
                        let from = 3 * (start + x * column + y * row)
                        buffer[target] = source[from]
                        buffer[target + 1] = source[from + 1]
                        buffer[target + 2] = source[from + 2]
                        target += 3
                    }
                }
            }
            count = pixels.count
        }
        return try Picture(width: turnedWidth, height: turnedHeight, pixels: turned)
    }
}
