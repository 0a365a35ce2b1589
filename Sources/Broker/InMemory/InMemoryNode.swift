import Synchronization

/// A broker node inside this process, with RabbitMQ 3.10's semantics as far as the conformance tests go.
///
/// Not simulated: queue expiry (`x-expires`), priorities, permissions, memory alarms.
public final class InMemoryNode: Sendable {
    private let routing = Mutex(InMemoryRouting())
    private let elapsed: @Sendable () -> Duration
    private let sleep: @Sendable (Duration) async throws -> Void
    /// By the time that they wait for; a clock that a test holds still may keep them for ever.
    private let timers = Mutex<[Duration: Task<Void, Never>]>([:])

    /// - Parameter clock: Measures times to live; a ``ManualClock`` lets a test decide.
    public init<Time: Clock>(clock: Time) where Time.Duration == Duration {
        let start = clock.now
        elapsed = { start.duration(to: clock.now) }
        sleep = { try await clock.sleep(until: start.advanced(by: $0), tolerance: nil) }
    }

    /// A node with the system's clock.
    public convenience init() { self.init(clock: ContinuousClock()) }

    deinit {
        for timer in timers.withLock({ $0.values.map { $0 } }) { timer.cancel() }
    }

    /// Changes the node's contents at the present time, and sees to it that what expires next will.
    func update<Value: Sendable>(
        _ body: (inout InMemoryRouting) throws(BrokerError) -> Value
    ) throws(BrokerError) -> Value {
        let (result, expiry) = routing.withLock { routing -> (Result<Value, BrokerError>, Duration?) in
            routing.now = elapsed()
            routing.expire()
            let result = Result { () throws(BrokerError) in try body(&routing) }
            return (result, routing.expiryToSchedule())
        }
        if let expiry { schedule(expiry) }
        return try result.get()
    }

    private func schedule(_ expiry: Duration) {
        timers.withLock { timers in
            guard timers[expiry] == nil else { return }
            timers[expiry] = Task { [weak self, sleep] in
                guard (try? await sleep(expiry)) != nil, let self else { return }
                self.timers.withLock { $0[expiry] = nil }
                try? update { (routing) throws(BrokerError) in routing.timerFired(expiry) }
            }
        }
    }
}
