import Foundation

/// Milliseconds since 1970 UTC, the unit of deadlines and of the times on dead letters.
public typealias UnixMilliseconds = Int64

/// Reads the wall clock; a value, so that tests can set it.
public struct WallTime: Sendable {
    package let read: @Sendable () -> UnixMilliseconds

    public init(_ read: @escaping @Sendable () -> UnixMilliseconds) {
        self.read = read
    }

    /// The machine's clock.
    public static let system = WallTime { UnixMilliseconds(Date().timeIntervalSince1970 * 1000) }
}

extension Duration {
    /// Rounded towards zero; saturates.
    package var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, sumOverflow) = product.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return sumOverflow ? (product < 0 ? .min : .max) : sum
    }

    package var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
