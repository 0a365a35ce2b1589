import BrokerTestSupport
import Testing

@testable import Broker

@Suite(.timeLimit(.minutes(2)))
struct ConsumingTests {
    @Test("No more than the prefetch is outstanding", arguments: BrokerKind.available)
    func prefetch(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            for index in 0..<5 { try await pair.publish("\(index)", to: queue) }
            let consumer = try await pair.first.consume(queue: queue, prefetch: 2)
            let first = try await consumer.take()
            _ = try await consumer.take()
            #expect(try await pair.second.depth(of: queue) == QueueDepth(messages: 3, consumers: 1))
            try await pair.first.acknowledge(first)
            #expect(try await consumer.take().text == "2")
            #expect(try await pair.second.depth(of: queue).messages == 2)
        }
    }

    @Test("A rejected message comes again, marked and counted", arguments: BrokerKind.available)
    func requeue(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue(kind: .quorum)
            try await pair.publish("again", to: queue)
            let consumer = try await pair.first.consume(queue: queue, prefetch: 1)
            let first = try await consumer.take()
            #expect(!first.isRedelivered && first.deliveryCount ?? 0 == 0)
            try await pair.first.reject(first, requeue: true)
            let second = try await consumer.take()
            #expect(second.isRedelivered && second.deliveryCount == 1 && second.text == "again")
            try await pair.first.release(second)
            let third = try await consumer.take()
            #expect(third.isRedelivered)
            try await pair.first.acknowledge(third)
        }
    }

    @Test("A discarded message goes to the dead letters with its history", arguments: BrokerKind.available)
    func deadLetter(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let (work, dead) = try await declareDeadLettering(pair)
            try await pair.second.publish(
                OutgoingMessage(MessageProperties(headers: ["mine": 7]), body: [9]), exchange: "", routingKey: work)
            let delivery = try #require(try await pair.first.get(queue: work))
            try await pair.first.reject(delivery, requeue: false)
            let deadLetter = try await pair.first.consume(queue: dead, prefetch: 1).take()
            #expect(deadLetter.body == [9] && deadLetter.properties.headers["mine"] == 7)
            #expect(deadLetter.exchange == pair.name("dead-exchange") && deadLetter.routingKey == "buried")
            let death = try #require(deadLetter.deaths.first)
            #expect(deadLetter.deaths.count == 1 && death.queue == work && death.reason == "rejected")
            #expect(death.count == 1 && death.exchange == "" && death.routingKeys == [work] && death.time != nil)
            try await pair.first.acknowledge(deadLetter)
        }
    }

    @Test("A message that comes back too often goes to the dead letters", arguments: BrokerKind.available)
    func deliveryLimit(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let (work, dead) = try await declareDeadLettering(pair) { $0.deliveryLimit = 2 }
            try await pair.publish("poison", to: work)
            let consumer = try await pair.first.consume(queue: work, prefetch: 1)
            for count in 0...2 {
                let delivery = try await consumer.take()
                #expect(delivery.deliveryCount ?? 0 == count)
                try await pair.first.reject(delivery, requeue: true)
            }
            let deadLetter = try await pair.first.consume(queue: dead, prefetch: 1).take()
            #expect(deadLetter.text == "poison" && deadLetter.deaths.first?.reason == "delivery_limit")
        }
    }

    @Test("A message that waits too long goes to the dead letters", arguments: BrokerKind.available)
    func timeToLive(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let (work, dead) = try await declareDeadLettering(pair) { $0.messageTTL = .milliseconds(50) }
            try await pair.publish("late", to: work)
            let deadLetter = try await pair.first.consume(queue: dead, prefetch: 1).take()
            #expect(deadLetter.text == "late" && deadLetter.deaths.first?.reason == "expired")
            #expect(try await pair.first.depth(of: work).messages == 0)
        }
    }

    private func declareDeadLettering(
        _ pair: Pair, _ adjust: (inout Queue) -> Void = { _ in }
    ) async throws -> (work: String, dead: String) {
        let exchange = pair.name("dead-exchange")
        var work = Queue(
            pair.name("work"), overflow: .rejectPublish, deadLetterExchange: exchange,
            deadLetterRoutingKey: "buried", deadLetterStrategy: .atLeastOnce)
        adjust(&work)
        try await pair.first.declare(
            Topology(
                exchanges: [Exchange(exchange)], queues: [Queue(pair.name("dead")), work],
                bindings: [Binding(exchange: exchange, queue: pair.name("dead"), routingKey: "buried")]))
        return (pair.name("work"), pair.name("dead"))
    }

    @Test("Settling twice is an error that harms nothing else", arguments: BrokerKind.available)
    func settleTwice(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            for index in 0..<3 { try await pair.publish("\(index)", to: queue) }
            let consumer = try await pair.first.consume(queue: queue, prefetch: 2)
            let (first, second) = (try await consumer.take(), try await consumer.take())
            try await pair.first.acknowledge(first)
            #expect(await failure { try await pair.first.acknowledge(first) } == BrokerError.staleDelivery)
            #expect(await failure { try await pair.first.reject(first, requeue: true) } == BrokerError.staleDelivery)
            #expect(await failure { try await pair.second.acknowledge(second) } == BrokerError.staleDelivery)
            try await pair.first.acknowledge(second)
            #expect(try await consumer.take().text == "2")
        }
    }

    @Test("A cancelled consumer keeps what was taken and gives back the rest", arguments: BrokerKind.available)
    func cancel(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            for index in 0..<4 { try await pair.publish("\(index)", to: queue) }
            let consumer = try await pair.first.consume(queue: queue, prefetch: 3)
            let taken = try await consumer.take()
            await consumer.cancel()
            var iterator = consumer.makeAsyncIterator()
            #expect(try await iterator.next() == nil)
            try await pair.first.acknowledge(taken)
            var rest: Set<String> = []
            let other = try await pair.second.consume(queue: queue, prefetch: 1)
            while rest.count < 3 {
                let delivery = try await other.take()
                rest.insert(delivery.text)
                try await pair.second.acknowledge(delivery)
            }
            #expect(rest == ["1", "2", "3"])
            await consumer.cancel()
        }
    }

    @Test("A single message can be taken from a queue", arguments: BrokerKind.available)
    func get(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            #expect(try await pair.first.get(queue: queue) == nil)
            try await pair.publish("one", to: queue)
            try await pair.publish("two", to: queue)
            let (one, two) = (try await pair.first.get(queue: queue), try await pair.first.get(queue: queue))
            #expect(one?.text == "one" && two?.text == "two")
            try await pair.first.release(try #require(two))
            let again = try #require(try await pair.first.get(queue: queue))
            #expect(again.text == "two" && again.isRedelivered)
            try await pair.first.acknowledge(again)
            try await pair.first.acknowledge(try #require(one))
            #expect(try await pair.first.get(queue: queue) == nil)
        }
    }

    @Test("A missing queue is an error of that call alone", arguments: BrokerKind.available)
    func missingQueue(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let missing = pair.name("missing")
            let queue = try await pair.declareQueue()
            let consumer = try await pair.first.consume(queue: queue, prefetch: 1)
            func expectNotFound(_ body: () async throws -> Void) async {
                #expect(await failure { try await body() }.isNotFound)
            }
            await expectNotFound { _ = try await pair.first.consume(queue: missing, prefetch: 1) }
            await expectNotFound { _ = try await pair.first.get(queue: missing) }
            await expectNotFound { _ = try await pair.first.depth(of: missing) }
            await expectNotFound { _ = try await pair.first.purge(queue: missing) }
            try await pair.publish("still here", to: queue)
            #expect(try await consumer.take().text == "still here")
        }
    }

    @Test("A consumer ends when its task is cancelled and when the broker closes", arguments: BrokerKind.available)
    func endings(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            let consumer = try await pair.first.consume(queue: queue, prefetch: 1)
            let reader = Task {
                var iterator = consumer.makeAsyncIterator()
                return try await iterator.next()
            }
            reader.cancel()
            #expect(try await reader.value == nil)
            let other = Task {
                var iterator = consumer.makeAsyncIterator()
                return try await iterator.next()
            }
            await pair.first.close()
            #expect(try await other.value == nil)
            #expect(pair.first.state == .closed)
            #expect(await failure { _ = try await pair.first.get(queue: queue) } == BrokerError.closed)
            #expect(
                await failure {
                    try await pair.first.publish(OutgoingMessage(body: []), exchange: "", routingKey: queue)
                } == BrokerError.closed)
        }
    }
}
