import CCodec

/// Why a picture cannot be read or written, and what to do about it.
public struct PictureError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// Neither JPEG nor PNG.
        case unknownFormat
        /// Over a limit of ``PictureLimits``.
        case tooLarge
        /// The file ends early.
        case truncated
        /// The file contradicts itself or its format.
        case corrupt
        /// A kind of JPEG or PNG that is not read, such as 12-bit or lossless JPEG.
        case unsupported
        case outOfMemory
        /// The caller's fault: a size, quality or key out of range.
        case invalidArgument
    }

    public let kind: Kind
    /// What was found.
    public let problem: String
    /// What to do.
    public let advice: String

    public init(_ kind: Kind, _ problem: String, _ advice: String) {
        self.kind = kind
        self.problem = problem
        self.advice = advice
    }

    public var description: String {
        "\(problem); \(advice)"
    }
}

extension PictureError {
    /// Nothing for a report of success.
    init?(_ report: codec_report, in format: PictureFormat) {
        let detail = withUnsafeBytes(of: report.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let because = detail.isEmpty ? "" : " (\(detail))"
        let name = format == .jpeg ? "JPEG" : "PNG"
        switch report.status {
        case CODEC_OK: return nil
        case CODEC_TRUNCATED:
            self.init(.truncated, "the \(name) file ends early", "send the whole file again")
        case CODEC_UNSUPPORTED:
            self.init(.unsupported, "this kind of \(name) is not read\(because)", "save it as baseline JPEG or as PNG")
        case CODEC_TOO_MANY_SCANS:
            self.init(.tooLarge, "the \(name) has too many scans", "save it as baseline JPEG")
        case CODEC_NO_MEMORY:
            self.init(.outOfMemory, "no memory for the \(name)", "try a smaller picture")
        default:
            self.init(.corrupt, "the \(name) file is damaged\(because)", "open the picture and save it again")
        }
    }
}
