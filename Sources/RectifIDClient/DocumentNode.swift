/// A value of a YAML document, with members in the order in which they are to stand.
package indirect enum DocumentNode: Sendable, Equatable {
    case text(String)
    case number(Int64)
    case truth(Bool)
    case null
    case list([DocumentNode])
    case members([Member])

    package struct Member: Sendable, Equatable {
        package var name: String
        package var value: DocumentNode

        package init(_ name: String, _ value: DocumentNode) {
            self.name = name
            self.value = value
        }
    }

    /// The member of a name.
    package subscript(name: String) -> DocumentNode? {
        guard case .members(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }
}

extension DocumentNode: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .text(value) }
    package init(integerLiteral value: Int64) { self = .number(value) }
    package init(booleanLiteral value: Bool) { self = .truth(value) }
    package init(arrayLiteral elements: DocumentNode...) { self = .list(elements) }
    package init(dictionaryLiteral elements: (String, DocumentNode)...) {
        self = .members(elements.map { Member($0, $1) })
    }
}

extension DocumentNode {
    /// The document as YAML 1.2.
    ///
    /// Texts and names are written as JSON strings, which YAML takes as they are, so that nothing can be mistaken for a
    /// number, a truth value or a comment; plain names stand without quotes.
    package var yaml: String { lines(depth: 0).joined(separator: "\n") + "\n" }

    private func lines(depth: Int) -> [String] {
        let margin = String(repeating: "  ", count: depth)
        switch self {
        case .members(let members) where !members.isEmpty:
            return members.flatMap { Self.lines("\(margin)\(Self.name($0.name)):", $0.value, depth: depth) }
        case .list(let values) where !values.isEmpty:
            return values.flatMap { Self.lines("\(margin)-", $0, depth: depth) }
        default: return [margin + inline]
        }
    }

    private static func lines(_ start: String, _ value: DocumentNode, depth: Int) -> [String] {
        switch value {
        case .members(let members) where !members.isEmpty: [start] + value.lines(depth: depth + 1)
        case .list(let values) where !values.isEmpty: [start] + value.lines(depth: depth + 1)
        default: ["\(start) \(value.inline)"]
        }
    }

    private var inline: String {
        switch self {
        case .text(let text): Self.quoted(text)
        case .number(let number): "\(number)"
        case .truth(let truth): "\(truth)"
        case .null: "null"
        case .list: "[]"
        case .members: "{}"
        }
    }

    private static func name(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"): true
            default: false
            }
        }
        // YAML 1.1 readers take some words for truth values.
        let words: Set<String> = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", ""]
        return isPlain && !words.contains(text.lowercased()) && !text.hasPrefix("-") ? text : quoted(text)
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value):
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
