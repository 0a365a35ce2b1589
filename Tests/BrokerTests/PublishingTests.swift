import BrokerTestSupport
import Testing

@testable import Broker

@Suite(.timeLimit(.minutes(2)))
struct PublishingTests {
    @Test("A message arrives with its body and all its properties", arguments: BrokerKind.available)
    func roundTrip(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            let properties = MessageProperties(
                contentType: "application/x-protobuf", contentEncoding: "identity", type: "example.v1.Service/Method",
                messageID: "id-1", correlationID: "correlation ✓", replyTo: "reply.queue", isPersistent: true,
                timestamp: 1_700_000_000, expiration: .seconds(3600), priority: 3, appID: "tests",
                headers: [
                    "text": "grüße", "integer": .int64(.min), "flag": true, "number": 0.1, "null": .null,
                    "octets": .bytes([0, 255, 128]), "time": .timestamp(1_700_000_000), "empty": "",
                    "table": ["inner": ["deep": [1, "two", .double(-3), false]]], "array": [[], .table([:]), 2],
                ])
            let body = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
            try await pair.second.publish(OutgoingMessage(properties, body: body), exchange: "", routingKey: queue)
            let delivery = try #require(try await pair.first.get(queue: queue))
            #expect(delivery.properties == properties)
            #expect(delivery.body == body)
            #expect(delivery.exchange == "" && delivery.routingKey == queue && delivery.queue == queue)
            #expect(!delivery.isRedelivered)
            try await pair.first.acknowledge(delivery)
        }
    }

    @Test("Bodies of no byte, one frame and twenty megabytes arrive intact", arguments: BrokerKind.available)
    func bodySizes(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            let consumer = try await pair.first.consume(queue: queue, prefetch: 1)
            for size in [0, 8192, 8193, 131_064, 20_000_000] {
                let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
                try await pair.second.publish(OutgoingMessage(body: body), exchange: "", routingKey: queue)
                let delivery = try await consumer.take()
                #expect(delivery.body == body, "size \(size)")
                try await pair.first.acknowledge(delivery)
            }
        }
    }

    @Test("A mandatory message that reaches no queue is an error, another is lost", arguments: BrokerKind.available)
    func unroutable(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let missing = pair.name("missing")
            #expect(
                await failure {
                    try await pair.publish("lost", to: missing)
                } == BrokerError.unroutable(exchange: "", routingKey: missing))
            try await pair.second.publish(
                OutgoingMessage(body: [1]), exchange: "", routingKey: missing, mandatory: false)
            // A returned message brings its body back; the channel must still be in step afterwards.
            #expect(
                await failure {
                    try await pair.second.publish(
                        OutgoingMessage(body: Array(repeating: 7, count: 300_000)), exchange: "", routingKey: missing)
                } == BrokerError.unroutable(exchange: "", routingKey: missing))
            let queue = try await pair.declareQueue()
            try await pair.publish("found", to: queue)
        }
    }

    @Test("Of many publishes in flight only the unroutable ones fail", arguments: BrokerKind.available)
    func manyInFlight(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            let missing = pair.name("missing")
            let failures = await withTaskGroup(of: Int?.self) { group in
                for index in 0..<400 {
                    group.addTask {
                        do {
                            try await pair.publish("\(index)", to: index % 7 == 0 ? missing : queue)
                            return nil
                        } catch {
                            #expect(error as? BrokerError == .unroutable(exchange: "", routingKey: missing))
                            return index
                        }
                    }
                }
                return await group.reduce(into: Set()) { if let index = $1 { $0.insert(index) } }
            }
            #expect(failures == Set((0..<400).filter { $0 % 7 == 0 }))
            let consumer = try await pair.first.consume(queue: queue, prefetch: 100)
            var arrived: Set<String> = []
            for try await delivery in consumer {
                arrived.insert(delivery.text)
                try await pair.first.acknowledge(delivery)
                if arrived.count == 400 - failures.count { break }
            }
            #expect(arrived == Set((0..<400).filter { $0 % 7 != 0 }.map(String.init)))
        }
    }

    @Test("An error of one publish leaves the others in flight alone", arguments: BrokerKind.available)
    func missingExchange(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            let exchange = pair.name("no-exchange")
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<40 {
                    group.addTask {
                        if index % 10 == 5 {
                            #expect(
                                await failure {
                                    try await pair.second.publish(
                                        OutgoingMessage(body: [1]), exchange: exchange, routingKey: "key")
                                }.isNotFound)
                        } else {
                            do { try await pair.publish("\(index)", to: queue) } catch { Issue.record(error) }
                        }
                    }
                }
            }
        }
    }

    @Test("A full queue that rejects publishes refuses the message", arguments: BrokerKind.available)
    func fullQueue(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = pair.name("work")
            try await pair.first.declare(
                Topology(queues: [Queue(queue, kind: .classic, maximumLength: 1, overflow: .rejectPublish)]))
            try await pair.publish("fits", to: queue)
            #expect(
                await failure {
                    try await pair.publish("too many", to: queue)
                } == BrokerError.refused(exchange: "", routingKey: queue))
            #expect(try await pair.first.purge(queue: queue) == 1)
            try await pair.publish("fits again", to: queue)
        }
    }

    @Test("What AMQP cannot carry is refused before it is sent", arguments: BrokerKind.available)
    func invalidMessages(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            let limit = MessageProperties.sizeLimit
            func publish(_ properties: MessageProperties, key: String = queue) async throws {
                try await pair.second.publish(OutgoingMessage(properties, body: [1]), exchange: "", routingKey: key)
            }
            func expectInvalid(_ properties: MessageProperties, key: String = queue) async {
                #expect(await failure { try await publish(properties, key: key) }.isInvalid)
            }
            let long = String(repeating: "x", count: 256)
            await expectInvalid(MessageProperties(messageID: long))
            await expectInvalid(MessageProperties(replyTo: long))
            await expectInvalid(MessageProperties(headers: [long: 1]))
            await expectInvalid(MessageProperties(expiration: .seconds(-1)))
            await expectInvalid(MessageProperties(timestamp: -1))
            await expectInvalid(MessageProperties(), key: long)
            var nested = HeaderValue.array([])
            for _ in 0..<HeaderValue.depthLimit { nested = [nested] }
            await expectInvalid(MessageProperties(headers: ["deep": nested]))

            // The largest headers that fit, and one byte more.
            let empty = try MessageProperties(headers: ["h": ""]).encodedSize() + PublishRole.tagHeaderSize
            let largest = MessageProperties(headers: ["h": .string(String(repeating: "h", count: limit - empty))])
            try await publish(largest)
            #expect(try await pair.first.get(queue: queue)?.properties == largest)
            let larger = MessageProperties(headers: ["h": .string(String(repeating: "h", count: limit - empty + 1))])
            #expect(
                await failure {
                    try await publish(larger)
                } == BrokerError.headerTooLarge(bytes: limit + 1, limit: limit))
            let bytes = (64 << 20) + 1
            #expect(
                await failure {
                    try await pair.second.publish(
                        OutgoingMessage(body: Array(repeating: 0, count: bytes)), exchange: "", routingKey: queue)
                } == BrokerError.messageTooLarge(bytes: bytes, limit: 64 << 20))
        }
    }

    @Test("Exchanges route by equality, to all, and by pattern", arguments: BrokerKind.available)
    func routing(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let (work, other, third) = (pair.name("work"), pair.name("other"), pair.name("third"))
            let direct = [(work, "a"), (other, "b")]
            var reached = try await route(pair, .direct, direct, publish: "a")
            #expect(reached == ["work"])
            reached = try await route(pair, .fanout, direct, publish: "c")
            #expect(reached == ["work", "other"])
            let patterns = [(work, "job.*.done"), (other, "job.#"), (third, "#.done.#")]
            reached = try await route(pair, .topic, patterns, publish: "job.1.done")
            #expect(reached == ["work", "other", "third"])
            reached = try await route(pair, .topic, patterns, publish: "job")
            #expect(reached == ["other"])
            reached = try await route(pair, .topic, patterns, publish: "job.1.2.done")
            #expect(reached == ["other", "third"])
        }
    }

    /// The queues that a message reaches through a new exchange.
    private func route(
        _ pair: Pair, _ kind: Exchange.Kind, _ keys: [(queue: String, key: String)], publish key: String
    ) async throws -> [String] {
        let (suffixes, exchange) = (["work", "other", "third"], pair.name("exchange"))
        try await pair.first.delete(exchange: exchange)
        try await pair.first.declare(
            Topology(
                exchanges: [Exchange(exchange, kind: kind)],
                queues: suffixes.map { Queue(pair.name($0), kind: .classic) },
                bindings: keys.map { Binding(exchange: exchange, queue: $0.queue, routingKey: $0.key) }))
        try await pair.second.publish(
            OutgoingMessage(body: [1]), exchange: exchange, routingKey: key, mandatory: false)
        var reached: [String] = []
        for suffix in suffixes where try await pair.first.purge(queue: pair.name(suffix)) > 0 { reached.append(suffix) }
        return reached
    }
}
