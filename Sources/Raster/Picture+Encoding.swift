import CCodec

/// The file to write.
public enum PictureEncoding: Sendable, Equatable {
    case jpeg(JPEGOptions = JPEGOptions())
    case png

    public var format: PictureFormat {
        switch self {
        case .jpeg: .jpeg
        case .png: .png
        }
    }
}

/// How a JPEG file is written.
public struct JPEGOptions: Sendable, Equatable {
    /// How finely colour is kept.
    public enum Chroma: Sendable {
        /// 4:2:0, half the resolution both ways.
        case half
        /// 4:4:4, full resolution.
        case full
    }

    /// 1 to 100.
    public var quality: Int
    public var chroma: Chroma
    public var isProgressive: Bool

    public init(quality: Int = 95, chroma: Chroma = .half, isProgressive: Bool = false) {
        self.quality = quality
        self.chroma = chroma
        self.isProgressive = isProgressive
    }
}

extension Picture {
    /// Writes a JPEG or PNG file.
    ///
    /// The same picture gives the same bytes: nothing such as the time is added.
    ///
    /// - Throws: `PictureError` for a quality outside 1 to 100 or metadata that does not fit.
    public func encode(
        _ encoding: PictureEncoding, metadata: PictureMetadata = [:]
    ) throws(PictureError) -> [UInt8] {
        try metadata.validate()
        let size = codec_size(width: UInt32(width), height: UInt32(height))
        var encoded = codec_bytes()
        let report =
            switch encoding {
            case .jpeg(let options): try encodeJPEG(options, metadata: metadata, size: size, into: &encoded)
            case .png: encodePNG(metadata: metadata, size: size, into: &encoded)
            }
        defer { codec_bytes_free(encoded) }
        if let error = PictureError(report, in: encoding.format) { throw error }
        return Array(UnsafeBufferPointer(start: encoded.data, count: encoded.count))
    }

    private func encodeJPEG(
        _ options: JPEGOptions, metadata: PictureMetadata, size: codec_size, into encoded: inout codec_bytes
    ) throws(PictureError) -> codec_report {
        guard (1...100).contains(options.quality) else {
            throw PictureError(.invalidArgument, "a JPEG quality of \(options.quality)", "give 1 to 100")
        }
        let comment = metadata.comment
        return comment.withUnsafeBytes { bytes in
            codec_jpeg_encode(
                pixels, size,
                codec_jpeg_options(
                    quality: Int32(options.quality), full_chroma: options.chroma == .full,
                    progressive: options.isProgressive,
                    comment: comment.isEmpty ? nil : bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                    comment_count: bytes.count),
                &encoded)
        }
    }

    private func encodePNG(
        metadata: PictureMetadata, size: codec_size, into encoded: inout codec_bytes
    ) -> codec_report {
        // One block of NUL-terminated texts, and pointers into it.
        var characters: [CChar] = []
        var offsets: [(key: Int, text: Int)] = []
        for entry in metadata.entries {
            let key = characters.count
            characters += entry.key.utf8CString
            offsets.append((key, characters.count))
            characters += entry.value.utf8CString
        }
        return characters.withUnsafeBufferPointer { block in
            let texts = offsets.map { offset in
                codec_png_text(
                    key: block.baseAddress.map { $0 + offset.key }, text: block.baseAddress.map { $0 + offset.text })
            }
            return codec_png_encode(pixels, size, texts, texts.count, &encoded)
        }
    }
}
