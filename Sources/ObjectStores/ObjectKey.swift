/// The name of an object in a store: 1 to 512 characters of `A-Z a-z 0-9 . _ -` and `/`, with no empty, `.` or `..` part
/// between slashes.
///
/// The same rule as for keys in messages (`Reference.key`): no key is an address or leads out of the store, and every key
/// stands in a URL and in a path as it is.
public struct ObjectKey: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    public static let allowed = "1 to 512 of A-Z a-z 0-9 . _ - and /, no empty, \".\" or \"..\" part"

    /// - Throws: `ObjectStoreError.invalidKey`.
    public init(_ text: String) throws(ObjectStoreError) {
        guard Self.isKey(text) else { throw .invalidKey(String(text.prefix(600)), allowed: Self.allowed) }
        self.text = text
    }

    /// Whether a text can be a key.
    public static func isKey(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        return (1...512).contains(text.utf8.count) && text.utf8.allSatisfy { isPlain($0) || $0 == UInt8(ascii: "/") }
            && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
    }

    /// The parts between slashes.
    public var parts: [String] { text.split(separator: "/").map { String($0) } }

    public var description: String { text }

    /// A text of any characters as one part of a key, different for different texts.
    ///
    /// Letters, digits, `-` and inner `.` stay, so that common ids are their own names; every other byte becomes `_` and two
    /// hexadecimal digits.
    public static func part(for text: String) -> String {
        var part = ""
        for (index, byte) in text.utf8.enumerated() {
            let isKept = isPlain(byte) && byte != UInt8(ascii: "_") && (byte != UInt8(ascii: ".") || index > 0)
            if isKept {
                part.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                part += (byte < 16 ? "_0" : "_") + String(byte, radix: 16)
            }
        }
        return part.isEmpty ? "_" : part
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
