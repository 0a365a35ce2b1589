/// A figure over many pictures.
public struct Statistic: Sendable, Hashable, Codable {
    public let mean: Double
    /// The worst single picture; of a share, the person with the worst.
    public let worst: Double
    /// The mean of each seed, in the seeds' order: what luck alone changes.
    public let seeds: [Double]

    /// Between which means the seeds lie.
    public var range: ClosedRange<Double> { (seeds.min() ?? mean)...(seeds.max() ?? mean) }
}

extension Statistic {
    /// Summarises measurements.
    ///
    /// - Parameters:
    ///   - samples: Values, each with the person and the seed that it belongs to.
    ///   - isShare: Whether values are 0 and 1, and their mean a share.
    ///   - isHighGood: Whether the worst is the lowest.
    /// - Returns: Nil without any sample.
    init?(_ samples: [Sample], isShare: Bool = false, isHighGood: Bool = true) {
        guard !samples.isEmpty else { return nil }
        func mean(_ samples: [Sample]) -> Double { samples.reduce(0) { $0 + $1.value } / Double(samples.count) }
        let units = isShare ? Dictionary(grouping: samples, by: \.person).values.map(mean) : samples.map(\.value)
        let worst = (isHighGood ? units.min() : units.max()) ?? 0
        let bySeed = Dictionary(grouping: samples, by: \.seed).sorted { $0.key < $1.key }
        self.mean = mean(samples)
        self.worst = worst
        seeds = bySeed.map { mean($0.value) }
    }

    /// One value and where it comes from.
    struct Sample {
        let value: Double
        let person: String
        let seed: UInt64
    }
}
