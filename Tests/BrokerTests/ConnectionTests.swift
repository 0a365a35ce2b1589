import BrokerTestSupport
import Testing

@testable import Broker

@Suite(.timeLimit(.minutes(2)))
struct ConnectionTests {
    @Test(
        "After a lost connection the message comes again and the old receipt is stale", arguments: BrokerKind.available)
    func lostConnection(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue(kind: .quorum)
            for index in 0..<3 { try await pair.publish("\(index)", to: queue) }
            let consumer = try await pair.first.consume(queue: queue, prefetch: 2)
            let before = try await consumer.take()
            pair.loseFirstConnection()
            var seen: [String: Receipt] = [:]
            while seen.count < 3 {
                let delivery = try await consumer.take()
                do {
                    try await pair.first.acknowledge(delivery)
                } catch BrokerError.staleDelivery {
                    continue  // Taken just before the connection was lost.
                }
                seen[delivery.text] = delivery.receipt
                if delivery.text == before.text {
                    #expect(delivery.isRedelivered && delivery.deliveryCount == 1)
                    #expect(await failure { try await pair.first.acknowledge(before) } == .staleDelivery)
                }
            }
            #expect(seen.keys.sorted() == ["0", "1", "2"])
            try await pair.first.publish(OutgoingMessage(body: [1]), exchange: "", routingKey: queue)
        }
    }

    @Test("A reply queue belongs to one connection and keeps its name over reconnects", arguments: BrokerKind.available)
    func replyQueue(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.first.declareReplyQueue(.exclusive())
            let consumer = try await pair.first.consume(queue: queue, prefetch: 10)
            try await pair.publish("reply", to: queue)
            #expect(try await consumer.take().text == "reply")
            #expect(await failure { _ = try await pair.second.get(queue: queue) }.isResourceLocked)
            pair.loseFirstConnection()
            // The answer comes from the new connection; the old queue may be locked until the broker sees it gone.
            while true {
                do {
                    _ = try await pair.first.depth(of: queue)
                    break
                } catch BrokerError.resourceLocked {
                    await Task.yield()
                }
            }
            try await pair.publish("after", to: queue)
            #expect(try await consumer.take().text == "after")
        }
    }

    @Test("A lasting reply queue keeps replies for a client that is away", arguments: BrokerKind.available)
    func lastingReplyQueue(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = pair.name("work")
            let name = try await pair.first.declareReplyQueue(.lasting(name: queue, unusedFor: .seconds(60)))
            #expect(name == queue)
            await pair.first.close()
            try await pair.publish("while away", to: queue)
            #expect(try await pair.second.get(queue: queue)?.text == "while away")
        }
    }

    @Test("Declaring again changes nothing, declaring otherwise is refused", arguments: BrokerKind.available)
    func declareAgain(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = Queue(pair.name("work"), deliveryLimit: 5, messageTTL: .seconds(60))
            try await pair.first.declare(Topology(queues: [queue]))
            try await pair.publish("kept", to: queue.name)
            try await pair.first.declare(Topology(queues: [queue]))
            var other = queue
            other.deliveryLimit = 6
            for broker in [pair.first, pair.second] {
                #expect(
                    await failure {
                        try await broker.declare(Topology(queues: [other]))
                    }.isPreconditionFailed)
            }
            #expect(try await pair.first.get(queue: queue.name)?.text == "kept")
        }
    }

    @Test("A deleted queue ends a consumer that did not declare it", arguments: BrokerKind.available)
    func deletedQueue(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            let consumer = try await pair.second.consume(queue: queue, prefetch: 1)
            try await pair.first.delete(queue: queue)
            var iterator = consumer.makeAsyncIterator()
            #expect(await failure { _ = try await iterator.next() } == .consumerCancelled(queue: queue))
            try await pair.first.delete(queue: queue)
        }
    }

    @Test("A deleted queue is declared again by the consumer that declared it", arguments: BrokerKind.available)
    func redeclaredQueue(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            let consumer = try await pair.first.consume(queue: queue, prefetch: 1)
            try await pair.second.delete(queue: queue)
            while true {
                do {
                    try await pair.publish("new", to: queue)
                    break
                } catch BrokerError.unroutable {
                    await Task.yield()
                }
            }
            #expect(try await consumer.take().text == "new")
        }
    }
}
