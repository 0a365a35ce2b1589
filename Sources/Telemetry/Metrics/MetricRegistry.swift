import Synchronization

/// The metrics of a process, as Prometheus reads them.
public final class MetricRegistry: Sendable {
    private let families = Mutex<[String: any MetricFamily]>([:])

    public init() {}

    /// A number that only grows; its name ends in `_total`.
    public func counter(_ name: String, _ help: String, labels: [String] = []) -> Counter {
        precondition(name.hasSuffix("_total"), "a counter's name ends in _total: \(name)")
        return add(Counter(MetricHead(name, help, .counter, labels)))
    }

    /// Observations by size.
    ///
    /// - Parameter buckets: Upper bounds, rising; the infinite one is added.
    public func histogram(_ name: String, _ help: String, labels: [String] = [], buckets: [Double]) -> Histogram {
        add(Histogram(MetricHead(name, help, .histogram, labels), bounds: buckets))
    }

    /// A number that goes up and down, read when it is asked for.
    ///
    /// - Parameter read: Gives label values and number of each series. Called at every scrape; must not block.
    public func gauge(
        _ name: String, _ help: String, labels: [String] = [], read: @escaping @Sendable () -> [([String], Double)]
    ) {
        _ = add(SampledMetric(MetricHead(name, help, .gauge, labels), read))
    }

    /// A number that only grows and is counted elsewhere, read when it is asked for.
    ///
    /// - Parameter read: Gives label values and number of each series. Called at every scrape; must not block.
    public func counter(
        _ name: String, _ help: String, labels: [String] = [], read: @escaping @Sendable () -> [([String], Double)]
    ) {
        _ = add(SampledMetric(MetricHead(name, help, .counter, labels), read))
    }

    /// All metrics in Prometheus' text format 0.0.4, by name.
    public var exposition: [UInt8] {
        let families = families.withLock { Array($0.values) }.sorted { $0.head.name < $1.head.name }
        var text = ExpositionText()
        for family in families { text.add(family.head, family.samples) }
        return text.bytes
    }

    private func add<Family: MetricFamily>(_ family: Family) -> Family {
        let isNew = families.withLock { $0.updateValue(family, forKey: family.head.name) == nil }
        precondition(isNew, "two metrics are called \(family.head.name)")
        return family
    }
}

/// A metric with all its series.
protocol MetricFamily: Sendable {
    var head: MetricHead { get }
    var samples: [MetricSample] { get }
}

/// What a metric is called and what it means.
struct MetricHead: Sendable {
    enum Kind: String, Sendable { case counter, gauge, histogram }

    let name: String
    let help: String
    let kind: Kind
    let labels: [String]

    /// Names are the program's own, so a wrong one is the programmer's mistake.
    init(_ name: String, _ help: String, _ kind: Kind, _ labels: [String]) {
        precondition(Self.isName(name, allowsColon: true), "no name of a metric: \(name)")
        for label in labels {
            precondition(
                Self.isName(label, allowsColon: false) && !label.hasPrefix("__") && label != "le",
                "no name of a label: \(label)")
        }
        self.name = name
        self.help = help
        self.kind = kind
        self.labels = labels
    }

    private static func isName(_ text: String, allowsColon: Bool) -> Bool {
        for (index, byte) in text.utf8.enumerated() {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): break
            case UInt8(ascii: "0")...UInt8(ascii: "9") where index > 0: break
            case UInt8(ascii: ":") where allowsColon: break
            default: return false
            }
        }
        return !text.isEmpty
    }
}

/// A line of the exposition.
struct MetricSample: Sendable, Equatable {
    /// After the metric's name: `_bucket`, `_sum`, `_count` or nothing.
    var suffix = ""
    /// In the order of the metric's label names.
    var labels: [String]
    /// The bound of a bucket.
    var bound: Double?
    var value: Double
}
