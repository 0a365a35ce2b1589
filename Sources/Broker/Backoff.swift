/// Waiting times between attempts: exponential growth up to a cap, with jitter so that workers that lost the same
/// broker do not return in step.
public struct Backoff: Sendable, Equatable {
    public var initial: Duration
    public var maximum: Duration
    private var attempt = 0

    public init(initial: Duration = .milliseconds(100), maximum: Duration = .seconds(15)) {
        self.initial = initial
        self.maximum = maximum
    }

    /// The upper bound of the next waiting time.
    var ceiling: Duration {
        var bound = min(initial, maximum)
        for _ in 0..<attempt where bound < maximum { bound = min(bound * 2, maximum) }
        return bound
    }

    /// The next waiting time: between half of the ceiling and all of it.
    public mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        let bound = ceiling
        attempt = min(attempt + 1, 62)
        return bound * Double.random(in: 0.5...1, using: &generator)
    }

    /// Begins again with the initial waiting time, after a success.
    public mutating func reset() { attempt = 0 }
}
