import Synchronization

/// The series of a metric by their label values; bounded, whatever comes.
///
/// A value that somebody outside can choose would make a series for each of its variants, here and in Prometheus, for
/// ever. What comes after the last place is counted under ``overflow``.
struct Series<Value: Sendable>: ~Copyable, Sendable {
    static var limit: Int { 200 }
    static var overflow: String { "other" }
    /// Longest label value in bytes.
    static var valueLimit: Int { 120 }

    private let values = Mutex<[[String]: Value]>([:])
    private let labelCount: Int

    init(labelCount: Int) {
        self.labelCount = labelCount
    }

    func update(_ labels: [String], initial: @autoclosure () -> Value, _ change: (inout Value) -> Void) {
        precondition(labels.count == labelCount, "\(labels.count) label values for \(labelCount) labels")
        values.withLock { values in
            let key = Self.place(labels, in: values)
            change(&values[key, default: initial()])
        }
    }

    /// By label values, so that scrapes can be compared.
    var sorted: [(labels: [String], value: Value)] {
        values.withLock { $0 }.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { ($0.key, $0.value) }
    }

    private static func place(_ labels: [String], in values: [[String]: Value]) -> [String] {
        if values[labels] != nil { return labels }
        let short = labels.map { $0.utf8.count <= valueLimit ? $0 : String($0.prefix(valueLimit / 4)) }
        if values[short] != nil || values.count < limit { return short }
        return labels.map { _ in overflow }
    }
}

/// A number that only grows.
public final class Counter: MetricFamily {
    let head: MetricHead
    private let series: Series<Double>

    init(_ head: MetricHead) {
        self.head = head
        series = Series(labelCount: head.labels.count)
    }

    /// Counts.
    ///
    /// - Parameters:
    ///   - amount: 0 makes the series known before anything is counted, so that its first increase shows.
    ///   - labels: Values in the order of the metric's label names.
    public func add(_ amount: Double = 1, _ labels: String...) {
        guard amount >= 0, amount.isFinite else { return }
        series.update(labels, initial: 0) { $0 += amount }
    }

    var samples: [MetricSample] { series.sorted.map { MetricSample(labels: $0.labels, value: $0.value) } }
}

/// Observations by size.
public final class Histogram: MetricFamily {
    private struct Distribution: Sendable {
        /// Per bucket, not summed up; the last has no bound.
        var counts: [UInt64]
        var sum = 0.0
    }

    let head: MetricHead
    private let bounds: [Double]
    private let series: Series<Distribution>

    init(_ head: MetricHead, bounds: [Double]) {
        precondition(
            !bounds.isEmpty && zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 } && bounds.allSatisfy(\.isFinite),
            "bounds of \(head.name) must rise")
        self.head = head
        self.bounds = bounds
        series = Series(labelCount: head.labels.count)
    }

    /// Notes an observation; what is no number is left out, since it would spoil the sum for ever.
    ///
    /// - Parameter labels: Values in the order of the metric's label names.
    public func observe(_ value: Double, _ labels: String...) {
        guard value.isFinite else { return }
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        series.update(labels, initial: empty) { distribution in
            distribution.counts[bucket] += 1
            distribution.sum += value
        }
    }

    /// Makes a series known before anything is observed.
    public func announce(_ labels: String...) {
        series.update(labels, initial: empty) { _ in }
    }

    private var empty: Distribution { Distribution(counts: [UInt64](repeating: 0, count: bounds.count + 1)) }

    var samples: [MetricSample] {
        series.sorted.flatMap { labels, distribution in
            var total: UInt64 = 0
            var samples = zip(bounds + [.infinity], distribution.counts).map { bound, count in
                total += count
                return MetricSample(suffix: "_bucket", labels: labels, bound: bound, value: Double(total))
            }
            samples.append(MetricSample(suffix: "_sum", labels: labels, value: distribution.sum))
            samples.append(MetricSample(suffix: "_count", labels: labels, value: Double(total)))
            return samples
        }
    }
}

/// A metric whose numbers are somebody else's.
final class SampledMetric: MetricFamily {
    let head: MetricHead
    private let read: @Sendable () -> [([String], Double)]

    init(_ head: MetricHead, _ read: @escaping @Sendable () -> [([String], Double)]) {
        self.head = head
        self.read = read
    }

    var samples: [MetricSample] {
        read().prefix(Series<Double>.limit).map { labels, value in
            precondition(labels.count == head.labels.count, "wrong labels for \(head.name)")
            return MetricSample(labels: labels, value: value)
        }
    }
}
