import BrokerTestSupport
import Testing

@testable import Broker

@Suite(.timeLimit(.minutes(1)))
struct InMemoryTests {
    @Test func `A manual clock decides when a message has waited long enough`() async throws {
        let clock = ManualClock()
        let broker = InMemoryBroker(node: InMemoryNode(clock: clock))
        // The usual retry: wait in one queue, then back to the other.
        try await broker.declare(
            Topology(queues: [
                Queue("work"),
                Queue("retry", messageTTL: .seconds(30), deadLetterExchange: "", deadLetterRoutingKey: "work"),
            ]))
        try await broker.publish(OutgoingMessage(body: [1]), exchange: "", routingKey: "retry")
        clock.advance(by: .milliseconds(29_999))
        #expect(try await broker.depth(of: "work").messages == 0)
        #expect(try await broker.depth(of: "retry").messages == 1)
        let consumer = try await broker.consume(queue: "work", prefetch: 1)
        clock.advance(by: .milliseconds(1))
        let delivery = try await consumer.take()
        #expect(delivery.body == [1] && delivery.deaths.first?.reason == "expired")
        #expect(delivery.deaths.first?.queue == "retry" && delivery.deaths.first?.count == 1)

        // A second round counts on in the same entry.
        try await broker.publish(
            OutgoingMessage(delivery.properties, body: delivery.body), exchange: "", routingKey: "retry")
        try await broker.acknowledge(delivery)
        clock.advance(by: .seconds(30))
        #expect(try await consumer.take().deaths.map(\.count) == [2])
    }

    @Test func `A message behind one that lives longer waits for it`() async throws {
        let clock = ManualClock()
        let broker = InMemoryBroker(node: InMemoryNode(clock: clock))
        try await broker.declare(Topology(queues: [Queue("work")]))
        for seconds in [30, 1] {
            try await broker.publish(
                OutgoingMessage(MessageProperties(expiration: .seconds(seconds)), body: []), exchange: "",
                routingKey: "work")
        }
        clock.advance(by: .seconds(5))
        #expect(try await broker.depth(of: "work").messages == 2)
        clock.advance(by: .seconds(25))
        #expect(try await broker.depth(of: "work").messages == 0)
    }

    @Test func `A node that is gone leaves nothing behind that waits for its clock`() async throws {
        weak var clock: ManualClock?
        do {
            let ticking = ManualClock()
            clock = ticking
            let broker = InMemoryBroker(node: InMemoryNode(clock: ticking))
            let seconds = [30, 20, 10]
            try await broker.declare(Topology(queues: seconds.map { Queue("queue-\($0)") }))
            for seconds in seconds {
                try await broker.publish(
                    OutgoingMessage(MessageProperties(expiration: .seconds(seconds)), body: []), exchange: "",
                    routingKey: "queue-\(seconds)")
            }
            // The first is over, and who asks for the next finds it waiting already.
            ticking.advance(by: .seconds(10))
            #expect(try await broker.depth(of: "queue-10").messages == 0)
            #expect(try await broker.depth(of: "queue-20").messages == 1)
            await broker.close()
        }
        try await eventually { clock == nil }
    }

    @Test func `Sleepers of a manual clock wake when their time has come or they are cancelled`() async throws {
        let clock = ManualClock()
        let deadline = clock.now.advanced(by: .seconds(10))
        let sleeper = Task { try await clock.sleep(until: deadline, tolerance: nil) }
        let cancelled = Task { try await clock.sleep(until: clock.now.advanced(by: .seconds(1000)), tolerance: nil) }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        clock.advance(by: .seconds(10))
        clock.advance(by: .seconds(10))
        try await sleeper.value
        #expect(clock.now.offset == .seconds(20))
    }
}
