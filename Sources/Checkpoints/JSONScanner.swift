/// A strict reader of the small part of JSON that safetensors headers are made of: objects, strings, natural numbers.
///
/// Names of an object must differ. Nesting is that of the caller's code, so no input can overflow the stack.
struct JSONScanner {
    private let text: [UInt8]
    private var position = 0
    private let file: String

    init(_ text: [UInt8], file: String) {
        self.text = text
        self.file = file
    }

    /// An error that says where in the header something is wrong.
    func failure(_ problem: String) -> CheckpointError {
        CheckpointError(.malformed, file: file, "header, byte \(position): \(problem)")
    }

    /// Reads `{ "name": value, .. }`; `member` reads each value.
    mutating func object(
        limit: Int, _ member: (String, inout JSONScanner) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        try expect(UInt8(ascii: "{"))
        var names: Set<String> = []
        if accept(UInt8(ascii: "}")) { return }
        repeat {
            let name = try string()
            guard names.insert(name).inserted else { throw failure("\(name.debugDescription) appears twice") }
            guard names.count <= limit else { throw failure("more than \(limit) entries") }
            try expect(UInt8(ascii: ":"))
            try member(name, &self)
        } while accept(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"))
    }

    /// Reads `[n, ..]`.
    mutating func naturals(limit: Int) throws(CheckpointError) -> [Int] {
        try expect(UInt8(ascii: "["))
        var numbers: [Int] = []
        if accept(UInt8(ascii: "]")) { return numbers }
        repeat {
            guard numbers.count < limit else { throw failure("more than \(limit) numbers") }
            numbers.append(try natural())
        } while accept(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
        return numbers
    }

    private mutating func natural() throws(CheckpointError) -> Int {
        skipSpace()
        var value = 0
        let start = position
        while let byte = peek(), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
            let (tens, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, more) = tens.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            guard !over, !more else { throw failure("the number is too large") }
            value = sum
            position += 1
        }
        guard position > start else { throw failure("a whole number of 0 or more is needed") }
        return value
    }

    /// Reads a quoted string.
    mutating func string() throws(CheckpointError) -> String {
        try expect(UInt8(ascii: "\""))
        var bytes: [UInt8] = []
        while let byte = peek() {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: bytes, as: UTF8.self) else {
                    throw failure("a string is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): bytes.append(contentsOf: String(try escaped()).utf8)
            case 0..<0x20: throw failure("a control character in a string")
            default: bytes.append(byte)
            }
        }
        throw failure("a string does not end")
    }

    private mutating func escaped() throws(CheckpointError) -> Unicode.Scalar {
        guard let byte = peek() else { throw failure("a string does not end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw failure("an unknown escape")
        }
    }

    /// `\uXXXX`, or two of them for a scalar beyond U+FFFF.
    private mutating func unicodeEscape() throws(CheckpointError) -> Unicode.Scalar {
        let first = try hexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, peek() == UInt8(ascii: "\\") else { throw failure("half of a surrogate pair") }
        position += 1
        guard peek() == UInt8(ascii: "u") else { throw failure("half of a surrogate pair") }
        position += 1
        let second = try hexadecimal()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw failure("half of a surrogate pair") }
        return scalar
    }

    private mutating func hexadecimal() throws(CheckpointError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw failure("four hexadecimal digits are needed")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    /// Nothing but space may follow.
    mutating func end() throws(CheckpointError) {
        skipSpace()
        guard position == text.count else { throw failure("something follows the end of the object") }
    }

    private mutating func expect(_ byte: UInt8) throws(CheckpointError) {
        guard accept(byte) else {
            throw failure("\(String(Character(Unicode.Scalar(byte))).debugDescription) is needed")
        }
    }

    private mutating func accept(_ byte: UInt8) -> Bool {
        skipSpace()
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    private func peek() -> UInt8? { position < text.count ? text[position] : nil }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }
}
