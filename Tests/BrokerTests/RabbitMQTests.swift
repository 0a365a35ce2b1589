import BrokerTestSupport
import Foundation
import Testing

@testable import Broker

/// What only a real broker can show.
@Suite(.timeLimit(.minutes(2)), .enabled(if: BrokerKind.url != nil))
struct RabbitMQTests {
    @Test func `A refused login is an error at once and shows no password`() async throws {
        let broker = try BrokerKind.rabbitMQ { $0.endpoint.password = "wrong-secret" }
        let error = await failure { try await broker.ready(within: .seconds(60)) }
        guard case .authenticationFailed(let text) = error else {
            Issue.record("unexpected: \(String(describing: error))")
            return
        }
        #expect(!text.contains("wrong-secret"))
        await broker.close()
    }

    @Test func `A virtual host that is not there is an error at once`() async throws {
        let broker = try BrokerKind.rabbitMQ { $0.endpoint.virtualHost = "no/such/host" }
        let error = await failure { try await broker.ready(within: .seconds(60)) }
        guard case .authenticationFailed = error else {
            Issue.record("unexpected: \(String(describing: error))")
            return
        }
        await broker.close()
    }

    @Test func `Calls to a broker that is not there time out with the reason, or are cancelled`() async throws {
        // Port 1 of the loopback interface: refused at once.
        let broker = try BrokerKind.rabbitMQ {
            $0.endpoint.port = 1
            $0.callTimeLimit = .milliseconds(200)
        }
        let publish = await failure {
            try await broker.publish(
                OutgoingMessage(body: []), exchange: "", routingKey: "q", mandatory: true,
                timeLimit: .milliseconds(200))
        }
        guard case .timedOut("publish", .milliseconds(200), .some) = publish else {
            Issue.record("unexpected: \(String(describing: publish))")
            return
        }
        for call in [
            { _ = try await broker.get(queue: "q") }, { _ = try await broker.depth(of: "q") },
            { _ = try await broker.consume(queue: "q", prefetch: 1) },
        ] as [() async throws -> Void] {
            let error = await failure(call)
            guard case .timedOut(_, .milliseconds(200), .some) = error else {
                Issue.record("unexpected: \(String(describing: error))")
                return
            }
        }
        let waiting = Task {
            await failure { try await broker.publish(OutgoingMessage(body: []), exchange: "", routingKey: "q") }
        }
        waiting.cancel()
        #expect(await waiting.value == .cancelled)
        await broker.close()
    }

    @Test func `A body above the cap is not kept and can still be settled`() async throws {
        let sender = try BrokerKind.rabbitMQ()
        let receiver = try BrokerKind.rabbitMQ { $0.maximumBodySize = 1000 }
        let queue = try await receiver.declareReplyQueue(.lasting(unusedFor: .seconds(60)))
        for size in [1000, 300_000, 1] {
            try await sender.publish(
                OutgoingMessage(MessageProperties(messageID: "\(size)"), body: Array(repeating: 1, count: size)),
                exchange: "", routingKey: queue)
        }
        let consumer = try await receiver.consume(queue: queue, prefetch: 1)
        for size in [1000, 300_000, 1] {
            let delivery = try await consumer.take()
            #expect(delivery.properties.messageID == "\(size)")
            #expect(delivery.omittedBodySize == (size > 1000 ? UInt64(size) : nil))
            #expect(delivery.body.count == (size > 1000 ? 0 : size))
            try await receiver.acknowledge(delivery)
        }
        try await receiver.delete(queue: queue)
        await sender.close()
        await receiver.close()
    }

    @Test func `Headers nested as deep as a frame allows neither crash nor hang the receiver`() async throws {
        let broker = try BrokerKind.rabbitMQ()
        let queue = try await broker.declareReplyQueue(.lasting(unusedFor: .seconds(60)))
        let endpoint = try AMQPEndpoint(url: #require(BrokerKind.url))
        let client = try RawClient(endpoint)
        // Arrays in arrays: five bytes a level.
        let levels = 26_000
        var headers = RawBytes()
        headers.shortString("deep")
        for level in 0..<levels {
            headers.bytes.append(UInt8(ascii: "A"))
            headers.number(UInt32((levels - 1 - level) * 5))
        }
        try client.publish(to: queue, headers: headers, body: [42])
        let delivery = try await broker.consume(queue: queue, prefetch: 1).take()
        #expect(delivery.body == [42])
        var depth = 0
        var value = delivery.properties.headers["deep"]
        while let inner = value?.arrayValue?.first {
            depth += 1
            value = inner
        }
        #expect(depth == HeaderValue.depthLimit && value == .null)
        try await broker.acknowledge(delivery)
        try await broker.delete(queue: queue)
        await broker.close()
    }
}
