import BrokerTestSupport
import Testing

@testable import Broker

/// What workers and clients rely on, beyond publishing and consuming.
@Suite(.timeLimit(.minutes(2)))
struct RelianceTests {
    @Test("A message waits in a retry queue and goes back to its lane with its key", arguments: BrokerKind.available)
    func retryQueue(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let (work, retry) = (pair.name("work"), pair.name("other"))
            let (exchange, waiting) = (pair.name("exchange"), pair.name("dead-exchange"))
            try await pair.first.declare(
                Topology(
                    exchanges: [Exchange(exchange), Exchange(waiting, kind: .fanout)],
                    queues: [
                        Queue(work, deliveryLimit: 20),
                        Queue(
                            retry, messageTTL: .milliseconds(60), overflow: .rejectPublish,
                            deadLetterExchange: exchange,
                            deadLetterStrategy: .atLeastOnce),
                    ],
                    bindings: [
                        Binding(exchange: exchange, queue: work, routingKey: "batch.1"),
                        Binding(exchange: waiting, queue: retry, routingKey: ""),
                    ]))
            let properties = MessageProperties(messageID: "job", headers: ["attempt": 2])
            try await pair.second.publish(
                OutgoingMessage(properties, body: [1]), exchange: waiting, routingKey: "batch.1")
            let back = try await pair.first.consume(queue: work, prefetch: 1).take()
            #expect(back.body == [1] && back.exchange == exchange && back.routingKey == "batch.1")
            #expect(back.properties.messageID == "job" && back.properties.headers["attempt"] == 2)
            #expect(back.deaths.map(\.reason) == ["expired"] && back.deaths.map(\.queue) == [retry])
            // Its returns are counted from the beginning here.
            #expect(back.deliveryCount ?? 0 == 0 && !back.isRedelivered)
            try await pair.first.acknowledge(back)
            #expect(try await pair.first.depth(of: retry).messages == 0)
        }
    }

    @Test("A message's own time limit counts too, and is gone afterwards", arguments: BrokerKind.available)
    func expiration(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let (work, dead) = (pair.name("work"), pair.name("dead"))
            try await pair.first.declare(
                Topology(queues: [
                    Queue(dead),
                    Queue(work, messageTTL: .seconds(600), deadLetterExchange: "", deadLetterRoutingKey: dead),
                ]))
            try await pair.second.publish(
                OutgoingMessage(MessageProperties(expiration: .milliseconds(50)), body: [7]), exchange: "",
                routingKey: work)
            let letter = try await pair.first.consume(queue: dead, prefetch: 1).take()
            #expect(letter.body == [7] && letter.deaths.first?.reason == "expired")
            // With it, it would expire among the dead letters as well.
            #expect(letter.properties.expiration == nil)
            let death = letter.properties.headers["x-death"]?.arrayValue?.first?.tableValue
            #expect(death?["original-expiration"] == "50")
            try await pair.first.acknowledge(letter)
        }
    }

    @Test("A full lane refuses and takes again once there is room", arguments: BrokerKind.available)
    func fullLane(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = pair.name("work")
            try await pair.first.declare(Topology(queues: [Queue(queue, maximumLength: 3, overflow: .rejectPublish)]))
            var taken = 0
            // A quorum queue notices with its next message or so that it is full.
            while taken < 50 {
                do { try await pair.publish("\(taken)", to: queue) } catch BrokerError.refused { break }
                taken += 1
            }
            #expect((3..<50).contains(taken))
            for _ in 0..<taken {
                try await pair.first.acknowledge(try #require(try await pair.first.get(queue: queue)))
            }
            while true {
                do { try await pair.publish("again", to: queue) } catch BrokerError.refused { continue }
                break
            }
            #expect(try await pair.first.get(queue: queue)?.text == "again")
        }
    }

    @Test("A mandatory message to an exchange that leads nowhere comes back", arguments: BrokerKind.available)
    func unboundExchange(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let exchange = pair.name("exchange")
            let queue = try await pair.declareQueue()
            try await pair.first.declare(Topology(exchanges: [Exchange(exchange)]))
            func publish(_ key: String) async throws {
                try await pair.second.publish(OutgoingMessage(body: [1]), exchange: exchange, routingKey: key)
            }
            #expect(
                await failure { try await publish("batch") } == .unroutable(exchange: exchange, routingKey: "batch"))
            try await pair.first.declare(
                Topology(bindings: [Binding(exchange: exchange, queue: queue, routingKey: "batch")]))
            try await publish("batch")
            #expect(
                await failure { try await publish("other") } == .unroutable(exchange: exchange, routingKey: "other"))
            #expect(try await pair.first.depth(of: queue).messages == 1)
        }
    }

    @Test("A reply queue ends with its consumer, and with its connection", arguments: BrokerKind.available)
    func endOfReplyQueue(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            for ending in ["consumer", "connection"] {
                let queue = try await pair.first.declareReplyQueue(.exclusive())
                let consumer = try await pair.first.consume(queue: queue, prefetch: 5)
                try await pair.publish("reply", to: queue)
                #expect(try await consumer.take().text == "reply")
                if ending == "consumer" { await consumer.cancel() } else { await pair.first.close() }
                // RabbitMQ deletes it in its own time.
                while true {
                    do { try await pair.publish("too late", to: queue) } catch BrokerError.unroutable { break }
                }
            }
        }
    }
}
