/// Texts that a picture file carries: how the picture was made, so that it can be made again.
///
/// In a PNG each entry is a `tEXt` chunk (`iTXt` where the value is not ASCII). In a JPEG all are lines `key=value` of
/// one comment segment, with `\\`, `\n` and `\r` for a backslash and line ends: the one place that every tool shows
/// without being told to.
public struct PictureMetadata: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    public struct Entry: Sendable, Equatable {
        public var key: String
        public var value: String

        public init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    /// In the order they are written.
    public var entries: [Entry]

    public init(entries: [Entry] = []) {
        self.entries = entries
    }

    public init(dictionaryLiteral elements: (String, String)...) {
        entries = elements.map { Entry(key: $0.0, value: $0.1) }
    }

    /// The value of a key; setting replaces it in place, appends it, or removes it.
    public subscript(key: String) -> String? {
        get { entries.first { $0.key == key }?.value }
        set {
            let index = entries.firstIndex { $0.key == key }
            switch (index, newValue) {
            case (let index?, let value?): entries[index].value = value
            case (let index?, nil): entries.remove(at: index)
            case (nil, let value?): entries.append(Entry(key: key, value: value))
            case (nil, nil): break
            }
        }
    }

    /// The texts of a JPEG or PNG file.
    ///
    /// A comment that another program wrote is under the key `Comment`. Compressed text chunks, which this module never writes, are left out.
    ///
    /// - Throws: `PictureError` if the file is neither JPEG nor PNG.
    public static func read(_ bytes: [UInt8]) throws(PictureError) -> PictureMetadata {
        let format = try PictureFormat.required(of: bytes)
        var metadata = PictureMetadata()
        for segment in FileSegments(bytes, format: format) {
            switch (format, segment.kind) {
            case (.jpeg, FileSegments.comment): metadata.entries += entries(inComment: segment.payload)
            case (.png, FileSegments.tEXt): metadata.entries += [Entry(tEXt: segment.payload)].compactMap(\.self)
            case (.png, FileSegments.iTXt): metadata.entries += [Entry(iTXt: segment.payload)].compactMap(\.self)
            default: break
            }
        }
        return metadata
    }

    /// - Throws: `PictureError` for a key that PNG does not allow, or texts that one JPEG segment cannot hold.
    func validate() throws(PictureError) {
        for entry in entries {
            let key = Array(entry.key.utf8)
            let isPlain = key.allSatisfy { (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "=") }
            let isTrimmed =
                key.first != 0x20 && key.last != 0x20 && !zip(key, key.dropFirst()).contains { $0 == (0x20, 0x20) }
            guard (1...79).contains(key.count), isPlain, isTrimmed else {
                throw PictureError(
                    .invalidArgument, "the metadata key \"\(entry.key)\"",
                    "give 1 to 79 ASCII characters without \"=\" and without spaces at the ends or in a row")
            }
            guard !entry.value.utf8.contains(0) else {
                throw PictureError(.invalidArgument, "a NUL character in \"\(entry.key)\"", "remove it")
            }
        }
        guard comment.count <= 65_533 else {
            throw PictureError(
                .invalidArgument, "\(comment.count) bytes of metadata", "give at most 65533, the most a JPEG holds")
        }
    }

    /// All entries as lines.
    var comment: [UInt8] {
        Array(entries.map { "\($0.key)=\(Self.escape($0.value))" }.joined(separator: "\n").utf8)
    }

    private static func escape(_ text: String) -> String {
        var escaped = ""
        // By scalar: as a Character, CR and LF together are one.
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\r": escaped += "\\r"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    private static func unescape(_ text: some StringProtocol) -> String {
        var plain = ""
        var isEscaped = false
        for scalar in text.unicodeScalars {
            switch (isEscaped, scalar) {
            case (false, "\\"):
                isEscaped = true
                continue
            case (true, "n"): plain += "\n"
            case (true, "r"): plain += "\r"
            default: plain.unicodeScalars.append(scalar)
            }
            isEscaped = false
        }
        return plain
    }

    private static func entries(inComment payload: ArraySlice<UInt8>) -> [Entry] {
        let text = String(decoding: payload, as: UTF8.self)
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let entries = lines.compactMap { line -> Entry? in
            guard let equals = line.firstIndex(of: "="), equals > line.startIndex else { return nil }
            return Entry(key: String(line[..<equals]), value: unescape(line[line.index(after: equals)...]))
        }
        return entries.count == lines.count ? entries : [Entry(key: "Comment", value: text)]
    }
}

extension PictureMetadata.Entry {
    /// Key, NUL, text in Latin-1.
    fileprivate init?(tEXt payload: ArraySlice<UInt8>) {
        guard let end = payload.firstIndex(of: 0) else { return nil }
        self.init(key: Self.latin1(payload[..<end]), value: Self.latin1(payload[(end + 1)...]))
    }

    /// Key, NUL, compression flag and method, language, NUL, translated key, NUL, text in UTF-8.
    fileprivate init?(iTXt payload: ArraySlice<UInt8>) {
        guard let keyEnd = payload.firstIndex(of: 0), payload[keyEnd...].count >= 3, payload[keyEnd + 1] == 0,
            let languageEnd = payload[(keyEnd + 3)...].firstIndex(of: 0),
            let translationEnd = payload[(languageEnd + 1)...].firstIndex(of: 0)
        else { return nil }
        self.init(
            key: Self.latin1(payload[..<keyEnd]),
            value: String(decoding: payload[(translationEnd + 1)...], as: UTF8.self))
    }

    private static func latin1(_ bytes: ArraySlice<UInt8>) -> String {
        String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
    }
}
