/// The kinds of picture files that are read and written.
public enum PictureFormat: Sendable, CaseIterable {
    case jpeg
    case png

    /// Tells the format from the first bytes, whatever the file is called; nothing for any other format.
    public static func sniff(_ bytes: [UInt8]) -> PictureFormat? {
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return .jpeg }
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) { return .png }
        return nil
    }

    /// The format that a file name's extension asks for: `jpg`, `jpeg` or `png` in any case.
    public init?(fileExtension: String) {
        switch fileExtension.lowercased() {
        case "jpg", "jpeg": self = .jpeg
        case "png": self = .png
        default: return nil
        }
    }

    static func required(of bytes: [UInt8]) throws(PictureError) -> PictureFormat {
        guard let format = sniff(bytes) else {
            throw PictureError(
                .unknownFormat, bytes.isEmpty ? "the file is empty" : "the file is neither JPEG nor PNG",
                "give a JPEG or PNG file")
        }
        return format
    }
}
