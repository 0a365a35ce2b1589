import CMessages
import CProtobufC

/// What a reference shows, which decides how its identity is measured.
public enum Subject: UInt32, Sendable, CaseIterable {
    /// A human face: detector, five-point alignment, recogniser.
    case person = 1
    /// An animal, or anything else alive: open-vocabulary detector and image features.
    case liveSubject = 2
    /// A rigid object: as a live subject, and its pixels are compared as well.
    case object = 3
    /// Whatever the worker's own discriminator network measures.
    case custom = 4
}

/// One reference picture.
public struct Reference: Sendable, Equatable {
    public enum Picture: Sendable, Equatable {
        /// A JPEG or PNG file.
        case image([UInt8])
        /// The key of such a file in the store that client and workers share.
        case key(String)
    }

    public var picture: Picture
    public var subject: Subject
    /// For live subjects and objects: what to look for ("a corgi"); empty for the whole picture.
    public var label: String

    public init(picture: Picture, subject: Subject = .person, label: String = "") {
        self.picture = picture
        self.subject = subject
        self.label = label
    }

    func validate(at field: FieldPath) throws(MessageError) {
        switch picture {
        case .image(let bytes):
            try field.child("image").require(!bytes.isEmpty, "is empty", allowed: "the bytes of a JPEG or PNG file")
        case .key(let key):
            try Self.validate(key: key, at: field.child("key"))
        }
        try field.child("label").check(label, bytes: 0...200)
    }

    /// Keeps keys apart from addresses and from paths that lead out of the store.
    static func validate(key: String, at field: FieldPath) throws(MessageError) {
        let isPlain = key.utf8.allSatisfy { byte in
            switch UInt8(byte) {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "._-/".utf8.contains(byte)
            }
        }
        let parts = key.split(separator: "/", omittingEmptySubsequences: false)
        let isInside = parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
        try field.require(
            (1...512).contains(key.utf8.count) && isPlain && isInside, key.isEmpty ? "is empty" : "is not a key",
            allowed: "1 to 512 of A-Z a-z 0-9 . _ - and /, no empty, \".\" or \"..\" part")
    }
}

extension Reference: Packable {
    static let messageName = "Reference"
    static var emptyCForm: Rectifid__V1__Reference { empty(rectifid__v1__reference__init) }

    init(_ c: Rectifid__V1__Reference, at field: FieldPath) throws(MessageError) {
        switch c.picture_case {
        case RECTIFID__V1__REFERENCE__PICTURE_IMAGE: picture = .image(c.image.array)
        case RECTIFID__V1__REFERENCE__PICTURE_KEY: picture = .key(try c.key.text(at: field.child("key")))
        default: throw field.invalid("has no picture", allowed: "image or key")
        }
        subject = try field.child("subject").choice(c.subject.rawValue) ?? .person
        label = try c.label.text(at: field.child("label"))
    }

    func cForm(in arena: CArena) -> Rectifid__V1__Reference {
        var c = Self.emptyCForm
        switch picture {
        case .image(let bytes):
            c.image = arena.bytes(bytes)
            c.picture_case = RECTIFID__V1__REFERENCE__PICTURE_IMAGE
        case .key(let key):
            c.key = arena.text(key)
            c.picture_case = RECTIFID__V1__REFERENCE__PICTURE_KEY
        }
        c.subject = Rectifid__V1__Subject(rawValue: subject.rawValue)
        c.label = arena.text(label)
        return c
    }
}
