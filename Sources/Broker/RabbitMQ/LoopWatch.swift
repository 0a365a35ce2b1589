import Synchronization

/// Tells whether a connection's thread still goes round: it says before it sleeps when it will be up again.
final class LoopWatch: Sendable {
    private let start = ContinuousClock.now
    /// Nanoseconds after ``start`` at which the next sign of life is due.
    private let due = Atomic<Int64>(.max)

    /// The thread is at work, and will be back from it at once if all is well.
    func works() { due.store(now, ordering: .relaxed) }

    /// The thread sleeps for up to so many milliseconds; a negative number: until it is woken.
    func sleeps(milliseconds: Int32) {
        due.store(milliseconds < 0 ? .max : now + Int64(milliseconds) * 1_000_000, ordering: .relaxed)
    }

    /// By how much the thread is late; zero while all is well.
    var delay: Duration {
        let due = due.load(ordering: .relaxed)
        return due == .max ? .zero : .nanoseconds(max(now - due, 0))
    }

    private var now: Int64 {
        let (seconds, attoseconds) = start.duration(to: .now).components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
