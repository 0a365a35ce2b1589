import Foundation

/// Values as JSON, the same from every command: keys in order, slashes as they are, and the names that JavaScript and
/// Python have for numbers that JSON cannot say.
enum JSONOutput {
    /// Prints a line on standard output.
    static func printLine(_ value: some Encodable) {
        guard let line = line(value) else { return }
        // One write per line and unbuffered: somebody may be reading along.
        FileHandle.standardOutput.write(line)
    }

    /// A value as a line with its end, safe to show on a terminal; nil for what has no JSON.
    static func line(_ value: some Encodable) -> Data? {
        guard let line = try? encode(value, []) else { return nil }
        return Data((String(decoding: line, as: UTF8.self).escapedJSON + "\n").utf8)
    }

    /// A value over several indented lines, with the last one's end.
    static func document(_ value: some Encodable) throws -> Data {
        // Line by line: the ends between them are not part of any text.
        let lines = String(decoding: try encode(value, .prettyPrinted), as: UTF8.self).split(separator: "\n")
        return Data(lines.map { String($0).escapedJSON + "\n" }.joined().utf8)
    }

    private static func encode(_ value: some Encodable, _ formatting: JSONEncoder.OutputFormatting) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = formatting.union([.sortedKeys, .withoutEscapingSlashes])
        // A network that overflows must not cost the rest of a report.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return try encoder.encode(value)
    }
}
