import CMessages
import CProtobufC

/// The kinds of picture files.
public enum ImageFormat: UInt32, Sendable, CaseIterable {
    case jpeg = 1
    case png = 2
}

/// How finely a JPEG file keeps colour.
public enum ChromaSampling: UInt32, Sendable, CaseIterable {
    /// 4:2:0, colour at half the resolution both ways.
    case half = 1
    /// 4:4:4, colour at full resolution.
    case full = 2
}

/// The file that a picture is returned as.
public enum OutputFormat: Sendable, Equatable {
    /// - quality: 1 to 100.
    case jpeg(quality: Int = 95, chroma: ChromaSampling = .half)
    case png

    public var format: ImageFormat {
        switch self {
        case .jpeg: .jpeg
        case .png: .png
        }
    }

    func validate(at field: FieldPath) throws(MessageError) {
        if case .jpeg(let quality, _) = self { try field.child("quality").check(quality, in: 1...100) }
    }
}

extension OutputFormat: Packable {
    static let messageName = "Output"
    static var emptyCForm: Rectifid__V1__Output { empty(rectifid__v1__output__init) }

    init(_ c: Rectifid__V1__Output, at field: FieldPath) throws(MessageError) {
        let format: ImageFormat = try field.child("format").choice(c.format.rawValue) ?? .jpeg
        let chroma: ChromaSampling? = try field.child("chroma").choice(c.chroma.rawValue)
        switch format {
        case .jpeg:
            self = .jpeg(quality: Int.ifSet(c.quality) ?? 95, chroma: chroma ?? .half)
        case .png:
            try field.child("quality").require(c.quality == 0, "is set", allowed: "unset, as PNG has no quality")
            try field.child("chroma").require(chroma == nil, "is set", allowed: "unset, as PNG keeps all colour")
            self = .png
        }
    }

    func cForm(in arena: CArena) -> Rectifid__V1__Output {
        var c = Self.emptyCForm
        c.format = Rectifid__V1__ImageFormat(rawValue: format.rawValue)
        if case .jpeg(let quality, let chroma) = self {
            c.quality = UInt32(wire: quality)
            c.chroma = Rectifid__V1__ChromaSampling(rawValue: chroma.rawValue)
        }
        return c
    }
}
