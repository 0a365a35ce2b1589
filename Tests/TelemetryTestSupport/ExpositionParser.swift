/// Reads Prometheus' text format 0.0.4 and refuses whatever the format does not allow, the conventions included.
///
/// Written from https://prometheus.io/docs/instrumenting/exposition_formats/, without regard to the code that writes it.
public struct ExpositionParser {
    public struct Problem: Error, CustomStringConvertible {
        public let description: String
    }

    /// Values by series, as `name{label="value"}` with the labels sorted.
    public private(set) var samples: [String: Double] = [:]
    public private(set) var types: [String: String] = [:]
    private var helped: Set<String> = []
    private var current: String?
    private var finished: Set<String> = []

    public init(_ bytes: [UInt8]) throws {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Problem(description: "not UTF-8") }
        guard text.hasSuffix("\n") else { throw Problem(description: "no newline at the end") }
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            do { try read(line) } catch { throw Problem(description: "\(error) in: \(line)") }
        }
        for (name, type) in types where type == "histogram" { try checkHistogram(name) }
    }

    /// The value of a series.
    public subscript(_ series: String) -> Double? { samples[series] }

    private mutating func read(_ line: Substring) throws {
        if line.hasPrefix("# HELP ") {
            let parts = line.dropFirst(7).split(separator: " ", maxSplits: 1)
            guard parts.count == 2, Self.isName(parts[0]), helped.insert(String(parts[0])).inserted else {
                throw Problem(description: "bad or second HELP")
            }
            try begin(String(parts[0]))
        } else if line.hasPrefix("# TYPE ") {
            let parts = line.dropFirst(7).split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 2, ["counter", "gauge", "histogram"].contains(parts[1]), current == String(parts[0]),
                types.updateValue(String(parts[1]), forKey: String(parts[0])) == nil
            else { throw Problem(description: "bad, second or stray TYPE") }
            if parts[1] == "counter", !parts[0].hasSuffix("_total") {
                throw Problem(description: "counter without _total")
            }
        } else {
            try readSample(line)
        }
    }

    /// All lines of a metric stand together.
    private mutating func begin(_ name: String) throws {
        if let current { finished.insert(current) }
        guard !finished.contains(name) else { throw Problem(description: "\(name) again") }
        current = name
    }

    private mutating func readSample(_ line: Substring) throws {
        var rest = line
        let name = rest.prefix { $0 != "{" && $0 != " " }
        guard Self.isName(name), let current, let type = types[current] else {
            throw Problem(description: "sample without a type, or bad name")
        }
        let suffix = name.hasPrefix(current) ? String(name.dropFirst(current.count)) : "?"
        let allowed = type == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
        guard allowed.contains(suffix) else { throw Problem(description: "\(name) within \(current)") }
        rest = rest.dropFirst(name.count)
        var labels: [String: String] = [:]
        if rest.first == "{" { labels = try Self.readLabels(&rest) }
        guard (labels["le"] != nil) == (suffix == "_bucket") else { throw Problem(description: "le out of place") }
        guard rest.first == " ", let value = Self.number(rest.dropFirst()) else {
            throw Problem(description: "bad value")
        }
        let sorted = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ",")
        let key = name + (sorted.isEmpty ? "" : "{\(sorted)}")
        guard samples.updateValue(value, forKey: String(key)) == nil else { throw Problem(description: "twice") }
        if type != "gauge", value.isNaN || value < 0, suffix != "_sum" {
            throw Problem(description: "negative count")
        }
    }

    private static func readLabels(_ rest: inout Substring) throws -> [String: String] {
        var labels: [String: String] = [:]
        rest = rest.dropFirst()
        while rest.first != "}" {
            let name = rest.prefix { $0 != "=" }
            rest = rest.dropFirst(name.count)
            guard isName(name), !name.contains(":"), rest.hasPrefix("=\"") else {
                throw Problem(description: "bad label")
            }
            rest = rest.dropFirst(2)
            var value = ""
            while let character = rest.popFirst(), character != "\"" {
                guard character == "\\" else {
                    value.append(character)
                    continue
                }
                switch rest.popFirst() {
                case "\\": value.append("\\")
                case "\"": value.append("\"")
                case "n": value.append("\n")
                default: throw Problem(description: "bad escape")
                }
            }
            guard labels.updateValue(value, forKey: String(name)) == nil else {
                throw Problem(description: "label twice")
            }
            if rest.first == "," {
                rest = rest.dropFirst()
            } else if rest.first != "}" {
                throw Problem(description: "unfinished labels")
            }
        }
        rest = rest.dropFirst()
        return labels
    }

    /// Buckets rise to +Inf, which equals the count.
    private func checkHistogram(_ name: String) throws {
        var byLabels: [String: [(bound: Double, count: Double)]] = [:]
        for (series, value) in samples where series.hasPrefix("\(name)_bucket{") {
            var rest = series.dropFirst(name.count + 7)
            var labels = try Self.readLabels(&rest)
            guard let bound = labels.removeValue(forKey: "le").flatMap({ Self.number($0[...]) }) else { continue }
            let key = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ",")
            byLabels[key, default: []].append((bound, value))
        }
        for (labels, buckets) in byLabels {
            let sorted = buckets.sorted { $0.bound < $1.bound }
            let braces = labels.isEmpty ? "" : "{\(labels)}"
            guard zip(sorted, sorted.dropFirst()).allSatisfy({ $0.count <= $1.count }), sorted.last?.bound == .infinity,
                sorted.last?.count == samples["\(name)_count\(braces)"], samples["\(name)_sum\(braces)"] != nil
            else { throw Problem(description: "histogram \(name)\(braces) does not add up") }
        }
    }

    private static func number(_ text: some StringProtocol) -> Double? {
        switch text {
        case "+Inf": .infinity
        case "-Inf": -.infinity
        case "NaN": .nan
        default: text.first?.isWhitespace == false ? Double(text).flatMap { $0.isFinite ? $0 : nil } : nil
        }
    }

    private static func isName(_ text: Substring) -> Bool {
        text.wholeMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) != nil
    }
}
