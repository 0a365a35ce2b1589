import Synchronization

/// A clock that stands still until it is told to go on: tests decide when a time to live is over.
public final class ManualClock: Clock, Sendable {
    public struct Instant: InstantProtocol {
        /// Time since the clock was made.
        public var offset: Duration

        public func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        public func duration(to other: Instant) -> Duration { other.offset - offset }
        public static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct Contents {
        var now = Instant(offset: .zero)
        var nextSleeper: UInt64 = 0
        var sleepers: [UInt64: (until: Instant, continuation: CheckedContinuation<Void, any Error>)] = [:]
    }

    private let contents = Mutex(Contents())

    public init() {}

    public var now: Instant { contents.withLock { $0.now } }

    public var minimumResolution: Duration { .nanoseconds(1) }

    /// Moves time on and wakes whoever sleeps until then.
    public func advance(by duration: Duration) {
        let woken = contents.withLock { contents in
            contents.now = contents.now.advanced(by: duration)
            let due = contents.sleepers.filter { $0.value.until <= contents.now }
            for id in due.keys { contents.sleepers[id] = nil }
            return due.values.sorted { $0.until < $1.until }.map(\.continuation)
        }
        for continuation in woken { continuation.resume() }
    }

    public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
        let id = contents.withLock { contents in
            defer { contents.nextSleeper += 1 }
            return contents.nextSleeper
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let early = contents.withLock { contents -> Result<Void, any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if deadline <= contents.now { return .success(()) }
                    contents.sleepers[id] = (deadline, continuation)
                    return nil
                }
                if let early { continuation.resume(with: early) }
            }
        } onCancel: {
            let sleeper = contents.withLock { $0.sleepers.removeValue(forKey: id) }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}
