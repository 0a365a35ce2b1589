import BrokerTestSupport
import Testing

@testable import Broker

extension BrokerKind {
    /// Two connections to one node; the second stands for another process.
    func connect() async throws -> Pair {
        switch self {
        case .inMemory:
            let node = InMemoryNode()
            return Pair(first: InMemoryBroker(node: node), second: InMemoryBroker(node: node))
        case .rabbitMQ:
            let (first, second) = (try Self.rabbitMQ(), try Self.rabbitMQ())
            try await first.ready(within: .seconds(120))
            try await second.ready(within: .seconds(120))
            return Pair(first: first, second: second)
        }
    }
}

/// Two connections to one node and the names that a test uses there.
struct Pair: Sendable {
    let first: any Broker
    let second: any Broker
    let prefix = "test-" + randomName() + "-"

    func name(_ suffix: String) -> String { prefix + suffix }

    func loseFirstConnection() {
        (first as? RabbitMQBroker)?.loseConnection()
        (first as? InMemoryBroker)?.loseConnection()
    }
}

/// Runs a test body with a pair, then deletes what it left on the node.
func withBrokers(_ kind: BrokerKind, _ body: (Pair) async throws -> Void) async throws {
    let pair = try await kind.connect()
    try await attempt {
        try await body(pair)
    } cleanup: {
        for suffix in ["work", "dead", "other", "third"] { try? await pair.second.delete(queue: pair.name(suffix)) }
        for suffix in ["exchange", "dead-exchange"] { try? await pair.second.delete(exchange: pair.name(suffix)) }
        await pair.first.close()
        await pair.second.close()
    }
}

extension Pair {
    /// Declares a queue for the first connection and returns its name.
    func declareQueue(_ suffix: String = "work", kind: Queue.Kind = .classic) async throws -> String {
        try await first.declare(Topology(queues: [Queue(name(suffix), kind: kind)]))
        return name(suffix)
    }

    func publish(_ text: String, to queue: String) async throws {
        try await second.publish(OutgoingMessage(body: Array(text.utf8)), exchange: "", routingKey: queue)
    }
}

extension Delivery {
    var text: String { String(decoding: body, as: UTF8.self) }
}

extension Consumer {
    /// The next delivery of a sequence that must not end.
    func take() async throws -> Delivery {
        var iterator = makeAsyncIterator()
        return try #require(try await iterator.next())
    }
}

extension BrokerError? {
    var isNotFound: Bool { if case .notFound = self { true } else { false } }
    var isInvalid: Bool { if case .invalid = self { true } else { false } }
    var isPreconditionFailed: Bool { if case .preconditionFailed = self { true } else { false } }
    var isResourceLocked: Bool { if case .resourceLocked = self { true } else { false } }
}
