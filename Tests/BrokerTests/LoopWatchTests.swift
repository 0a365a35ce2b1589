import BrokerTestSupport
import Foundation
import Logging
import Synchronization
import Testing

@testable import Broker

/// Whether it is noticed that a connection's thread does not go round any more.
@Suite(.timeLimit(.minutes(2)))
struct LoopWatchTests {
    /// Stops the threads that log something, until it is let go.
    private final class Barrier: Sendable {
        private let isShut = Mutex(false)
        private let opened = DispatchSemaphore(value: 0)
        private let held = Mutex(0)

        func pass() {
            guard isShut.withLock({ $0 }) else { return }
            held.withLock { $0 += 1 }
            opened.wait()
            opened.signal()
        }

        /// How many threads were stopped.
        var count: Int { held.withLock { $0 } }

        func shut() { isShut.withLock { $0 = true } }

        func open() {
            isShut.withLock { $0 = false }
            opened.signal()
        }
    }

    private struct Handler: LogHandler {
        let barrier: Barrier
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { barrier.pass() }
    }

    @Test func aThreadThatStandsStillIsLateAndOneThatGoesOnIsNot() async throws {
        let barrier = Barrier()
        barrier.shut()
        // Nobody is there, so that both threads keep trying, and say so.
        var configuration = try RabbitMQConfiguration(url: "amqp://127.0.0.1:\(try PrivateNode.freePort())/")
        configuration.backoff = Backoff(initial: .milliseconds(10), maximum: .milliseconds(20))
        let broker = RabbitMQBroker(configuration, logger: Logger(label: "test") { _ in Handler(barrier: barrier) })
        try await eventually { barrier.count == 2 }
        // Both grow for as long as it lasts.
        for limit in [Duration.milliseconds(100), .milliseconds(400)] {
            try await eventually { broker.delays.consuming > limit && broker.delays.publishing > limit }
        }
        barrier.open()
        try await eventually {
            broker.delays.consuming < .milliseconds(100) && broker.delays.publishing < .milliseconds(100)
        }
        await broker.close()
    }
}
