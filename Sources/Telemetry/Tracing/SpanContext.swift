/// Where in which trace something happens: W3C Trace Context, the headers `traceparent` and `tracestate`.
///
/// https://www.w3.org/TR/trace-context-2/
public struct SpanContext: Sendable, Equatable {
    /// Never zero.
    public let traceID: UInt128
    /// Never zero.
    public let spanID: UInt64
    /// Whether the trace is being recorded.
    public let isSampled: Bool
    /// Whether the trace id's right half is known to be random, which samplers may rely on.
    public let isRandom: Bool
    /// What other systems carry along, well-formed, or empty.
    public let state: String

    private init(traceID: UInt128, spanID: UInt64, isSampled: Bool, isRandom: Bool, state: String) {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
        self.isRandom = isRandom
        self.state = state
    }

    /// Starts a trace.
    public init(isSampled: Bool) {
        self.init(
            traceID: .random(in: 1 ... .max), spanID: .random(in: 1 ... .max), isSampled: isSampled, isRandom: true,
            state: "")
    }

    /// Reads headers; nil where `traceparent` is not valid.
    ///
    /// An invalid `tracestate` is left out, as the specification asks.
    public init?(traceParent: String, traceState: String? = nil) {
        let bytes = Array(traceParent.utf8)
        // 2 digits of version, 32 of trace, 16 of span and 2 of flags; later versions may add a field.
        guard bytes.count >= 55, bytes[2] == Self.hyphen, bytes[35] == Self.hyphen, bytes[52] == Self.hyphen,
            let version: UInt64 = Self.number(bytes[0..<2]), version != 0xFF,
            bytes.count == 55 || (version > 0 && bytes[55] == Self.hyphen),
            let traceID: UInt128 = Self.number(bytes[3..<35]), traceID != 0,
            let spanID: UInt64 = Self.number(bytes[36..<52]), spanID != 0,
            let flags: UInt64 = Self.number(bytes[53..<55])
        else { return nil }
        self.init(
            traceID: traceID, spanID: spanID, isSampled: flags & 1 != 0, isRandom: flags & 2 != 0,
            state: traceState.flatMap(TraceState.checked) ?? "")
    }

    /// A new span of the same trace.
    public func child() -> SpanContext {
        SpanContext(
            traceID: traceID, spanID: .random(in: 1 ... .max), isSampled: isSampled, isRandom: isRandom, state: state)
    }

    /// The header `traceparent`, version 00.
    public var traceParent: String {
        "00-\(traceIDText)-\(spanIDText)-0\((isSampled ? 1 : 0) + (isRandom ? 2 : 0))"
    }

    /// 32 lower-case hexadecimal digits.
    public var traceIDText: String { Self.hexadecimal(traceID, digits: 32) }

    /// 16 lower-case hexadecimal digits.
    public var spanIDText: String { Self.hexadecimal(spanID, digits: 16) }

    static func hexadecimal(_ number: some FixedWidthInteger, digits: Int) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: digits - text.count) + text
    }

    private static let hyphen = UInt8(ascii: "-")

    /// Only lower-case digits are allowed.
    private static func number<Number: FixedWidthInteger>(_ digits: ArraySlice<UInt8>) -> Number? {
        var number: Number = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | Number(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | Number(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }
}

/// The grammar of the header `tracestate`.
enum TraceState {
    /// The text where it is well-formed: at most 512 bytes, 32 members, every key once.
    static func checked(_ text: String) -> String? {
        guard text.utf8.count <= 512 else { return nil }
        var keys: Set<Substring> = []
        for member in text.split(separator: ",", omittingEmptySubsequences: false) {
            let member = member.drop { $0 == " " || $0 == "\t" }
            if member.allSatisfy({ $0 == " " || $0 == "\t" }) { continue }
            guard let equals = member.firstIndex(of: "=") else { return nil }
            let key = member[..<equals]
            var value = member[member.index(after: equals)...].utf8
            while value.last == UInt8(ascii: " ") || value.last == UInt8(ascii: "\t") { value = value.dropLast() }
            guard isKey(Array(key.utf8)), isValue(value), keys.insert(key).inserted else { return nil }
        }
        return keys.isEmpty || keys.count > 32 ? nil : text
    }

    private static func isKey(_ key: [UInt8]) -> Bool {
        guard let at = key.firstIndex(of: UInt8(ascii: "@")) else {
            return isLetter(key.first) && isKeyPart(key[...], limit: 256)
        }
        let system = key[(at + 1)...]
        return isKeyPart(key[..<at], limit: 241) && isLetter(system.first) && isKeyPart(system, limit: 14)
    }

    private static func isLetter(_ byte: UInt8?) -> Bool { byte.map { (0x61...0x7A).contains($0) } ?? false }

    private static func isKeyPart(_ part: ArraySlice<UInt8>, limit: Int) -> Bool {
        (1...limit).contains(part.count)
            && part.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
                    UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "/"):
                    true
                default: false
                }
            }
    }

    private static func isValue(_ value: Substring.UTF8View) -> Bool {
        (1...256).contains(value.count)
            && value.allSatisfy {
                (0x20...0x7E).contains($0) && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=")
            }
    }
}
