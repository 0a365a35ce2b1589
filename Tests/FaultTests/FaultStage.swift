import Broker
import BrokerTestSupport
import Foundation
import Jobs
import RectifIDClient
import Logging
import Messages
import Testing
import TinyModel

/// A real broker for a test of faults.
enum RealBroker {
    static let url = ProcessInfo.processInfo.environment["RECTIFID_TEST_AMQP_URL"]

    static let isAvailable = url != nil

    /// Whether tests take the time that they take in the brief runs of continuous integration, or all of it.
    static let isLong = ProcessInfo.processInfo.environment["RECTIFID_TEST_LONG"] != nil

    static var logger: Logger {
        guard ProcessInfo.processInfo.environment["RECTIFID_TEST_LOG"] != nil else {
            return Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        }
        var logger = Logger(label: "test")
        logger.logLevel = .debug
        return logger
    }

    static func connect(
        _ url: String? = url, port: UInt16? = nil, _ adjust: (inout RabbitMQConfiguration) -> Void = { _ in }
    ) async throws -> RabbitMQBroker {
        var configuration = try RabbitMQConfiguration(url: #require(url))
        if let port { configuration.endpoint.port = port }
        configuration.connectionName = "faults"
        configuration.backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(1))
        configuration.callTimeLimit = .seconds(120)
        configuration.publishTimeLimit = .seconds(120)
        adjust(&configuration)
        let broker = RabbitMQBroker(configuration, logger: logger)
        try await broker.ready(within: .seconds(60))
        return broker
    }

    /// A pool with a name of its own and a short retry delay, as ``TinyWorker`` has it.
    static func pool() throws -> Pool {
        try Pool("test." + String(UInt64.random(in: .min ... .max), radix: 36), retryDelays: [.milliseconds(100)])
    }

    /// Whether no job waits, for a worker or for its next attempt.
    static func isSettled(_ pool: Pool, on broker: RabbitMQBroker) async throws -> Bool {
        for queue in pool.topology.queues.map(\.name)
        where queue.hasPrefix(pool.name + ".work.") || queue.hasPrefix(pool.name + ".retry.") {
            guard try await broker.depth(of: queue).messages == 0 else { return false }
        }
        return true
    }

    /// Removes what a pool left on a shared node.
    static func remove(_ pool: Pool, from broker: RabbitMQBroker) async throws {
        for queue in pool.topology.queues { try await broker.delete(queue: queue.name) }
        for exchange in pool.topology.exchanges { try await broker.delete(exchange: exchange.name) }
    }
}

/// A broker seen directly, and through a proxy that can be told to misbehave.
struct FaultyNetwork {
    let proxy: FaultProxy
    /// Not through the proxy.
    let direct: RabbitMQBroker
    let queue: String

    /// Runs a test with a queue of its own.
    static func play(_ body: (FaultyNetwork) async throws -> Void) async throws {
        let direct = try await RealBroker.connect()
        let port = try RabbitMQConfiguration(url: #require(RealBroker.url)).endpoint.port
        let queue = "test-faults-\(UUID())"
        try await direct.declare(Topology(queues: [Queue(queue)]))
        let network = FaultyNetwork(proxy: try FaultProxy(to: port), direct: direct, queue: queue)
        let result: Result<Void, any Error>
        do {
            try await body(network)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        network.proxy.stop()
        try await direct.delete(queue: queue)
        await direct.close()
        try result.get()
    }

    func connect(_ adjust: (inout RabbitMQConfiguration) -> Void = { _ in }) async throws -> RabbitMQBroker {
        try await RealBroker.connect(port: proxy.port, adjust)
    }

    /// Takes and acknowledges, past the proxy, until each of these message ids has come; returns how many came twice.
    func drain(_ expected: Set<String>) async throws -> Int {
        var missing = expected
        var again = 0
        let consumer = try await direct.consume(queue: queue, prefetch: 100)
        var iterator = consumer.makeAsyncIterator()
        while !missing.isEmpty, let delivery = try await iterator.next() {
            if missing.remove(delivery.properties.messageID ?? "") == nil { again += 1 }
            try await direct.acknowledge(delivery)
        }
        await consumer.cancel()
        return again
    }
}

extension Broker {
    /// Waits until the connection is as wanted.
    func reaches(_ isWanted: @Sendable (BrokerState) -> Bool) async -> Bool {
        for await state in states where isWanted(state) { return true }
        return false
    }

    func isLost() async -> Bool {
        await reaches { if case .disconnected = $0 { true } else { false } }
    }

    func isBack() async -> Bool { await reaches { $0 == .connected } }
}

/// Asks until it is so; the test's time limit ends what never becomes so.
func eventually(_ condition: () async throws -> Bool) async throws {
    while !(try await condition()) {
        try Task.checkCancellation()
        try await Task.sleep(for: .milliseconds(5))
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
