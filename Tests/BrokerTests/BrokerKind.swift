import Foundation
import Logging
import Testing

@testable import Broker

/// The brokers that the conformance tests run on.
enum BrokerKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case inMemory = "in memory"
    case rabbitMQ = "RabbitMQ"

    var testDescription: String { rawValue }

    static let url = ProcessInfo.processInfo.environment["RECTIFID_TEST_AMQP_URL"]

    /// RabbitMQ only where a node is given.
    static let available: [BrokerKind] = url == nil ? [.inMemory] : [.inMemory, .rabbitMQ]

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

    static func rabbitMQ(
        url: String? = url, _ adjust: (inout RabbitMQConfiguration) -> Void = { _ in }
    ) throws -> RabbitMQBroker {
        var configuration = try RabbitMQConfiguration(url: #require(url))
        configuration.connectionName = "tests"
        configuration.backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(1))
        // A node on a loaded machine may take a minute to restart; nothing here depends on how long that is.
        configuration.callTimeLimit = .seconds(180)
        configuration.publishTimeLimit = .seconds(180)
        adjust(&configuration)
        var logger = Logger(label: "broker")
        logger.logLevel = ProcessInfo.processInfo.environment["RECTIFID_TEST_LOG"] == nil ? .critical : .debug
        return RabbitMQBroker(configuration, logger: logger)
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
    let result: Result<Void, any Error>
    do {
        try await body(pair)
        result = .success(())
    } catch {
        result = .failure(error)
    }
    for suffix in ["work", "dead", "other", "third"] { try? await pair.second.delete(queue: pair.name(suffix)) }
    for suffix in ["exchange", "dead-exchange"] { try? await pair.second.delete(exchange: pair.name(suffix)) }
    await pair.first.close()
    await pair.second.close()
    try result.get()
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

extension Broker {
    /// Waits until a state comes; checks the present one first.
    func reaches(_ isWanted: @Sendable (BrokerState) -> Bool) async -> Bool {
        for await state in states where isWanted(state) { return true }
        return false
    }
}

/// The broker error that a piece of code throws; records an issue where it throws none or another.
func failure(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async -> BrokerError? {
    do {
        try await body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as BrokerError {
        return error
    } catch {
        Issue.record("unexpected: \(error)", sourceLocation: sourceLocation)
    }
    return nil
}

extension BrokerError? {
    var isNotFound: Bool { if case .notFound = self { true } else { false } }
    var isInvalid: Bool { if case .invalid = self { true } else { false } }
    var isPreconditionFailed: Bool { if case .preconditionFailed = self { true } else { false } }
    var isResourceLocked: Bool { if case .resourceLocked = self { true } else { false } }
}
