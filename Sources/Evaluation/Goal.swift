/// A bound that a figure should keep: `"guided.judge.mean": {"atLeast": 0.6}`.
public struct Goal: Sendable, Hashable {
    /// Both ends belong to it.
    public struct Bounds: Sendable, Hashable, Codable {
        public var atLeast, atMost: Double?

        public init(atLeast: Double? = nil, atMost: Double? = nil) {
            self.atLeast = atLeast
            self.atMost = atMost
        }
    }

    /// Name of a figure, then `.mean` or `.worst`.
    public let figure: String
    public let bounds: Bounds

    public init(_ figure: String, _ bounds: Bounds) {
        self.figure = figure
        self.bounds = bounds
    }

    static func sorted(_ goals: [String: Bounds]) -> [Goal] {
        goals.sorted { $0.key < $1.key }.map { Goal($0.key, $0.value) }
    }

    /// Whether there is a bound, and no number is one that JSON could not have.
    var isPossible: Bool {
        let numbers = [bounds.atLeast, bounds.atMost].compactMap(\.self)
        return !numbers.isEmpty && numbers.allSatisfy(\.isFinite)
    }

    /// The figure's name and what of it is bounded; nil where the goal names neither.
    private var parts: (figure: String, isWorst: Bool)? {
        for (suffix, isWorst) in [(".mean", false), (".worst", true)] where figure.hasSuffix(suffix) {
            return (String(figure.dropLast(suffix.count)), isWorst)
        }
        return nil
    }

    /// Refuses a goal for a figure that no report has, before hours of computation.
    ///
    /// - Parameter names: Names of all figures.
    /// - Throws: ``EvaluationError/mismatched(_:)``.
    func check(among names: [String]) throws(EvaluationError) {
        guard let parts, names.contains(parts.figure) else {
            throw .mismatched(
                "goal \(figure): no such figure; one of \(names.sorted().joined(separator: ", ")) with .mean or .worst "
                    + "is needed")
        }
    }

    /// Holds the goal against what was measured; what was not measured misses it.
    public func result(in figures: [String: Statistic]) -> GoalResult {
        let measured = parts.flatMap { parts in figures[parts.figure].map { parts.isWorst ? $0.worst : $0.mean } }
        let isMet = measured.map { $0 >= bounds.atLeast ?? -.infinity && $0 <= bounds.atMost ?? .infinity } ?? false
        return GoalResult(
            figure: figure, atLeast: bounds.atLeast, atMost: bounds.atMost, measured: measured, isMet: isMet)
    }
}

/// A goal held against what was measured.
public struct GoalResult: Sendable, Hashable, Codable {
    public let figure: String
    public let atLeast, atMost: Double?
    /// Nil where the figure was not measured.
    public let measured: Double?
    public let isMet: Bool
}
