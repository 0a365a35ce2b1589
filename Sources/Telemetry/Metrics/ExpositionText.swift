/// Prometheus' text format 0.0.4.
///
/// https://prometheus.io/docs/instrumenting/exposition_formats/
public struct ExpositionText {
    /// For the header `Content-Type`.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var bytes: [UInt8] = []

    mutating func add(_ head: MetricHead, _ samples: [MetricSample]) {
        guard !samples.isEmpty else { return }
        append("# HELP \(head.name) \(Self.escaped(head.help, quotes: false))\n")
        append("# TYPE \(head.name) \(head.kind.rawValue)\n")
        for sample in samples {
            var labels = zip(head.labels, sample.labels).map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
            if let bound = sample.bound { labels.append("le=\"\(Self.number(bound))\"") }
            let braces = labels.isEmpty ? "" : "{" + labels.joined(separator: ",") + "}"
            append("\(head.name)\(sample.suffix)\(braces) \(Self.number(sample.value))\n")
        }
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// The format knows three escapes; other control characters would be legal but are nothing to read.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += #"\\"#
            case "\n": escaped += #"\n"#
            case "\"" where quotes: escaped += #"\""#
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}": escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    private static func number(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf" }
        let text = String(value)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}
