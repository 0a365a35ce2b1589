import Broker
import Foundation
import Jobs
import Logging
import Messages
import RectifIDClient
import Testing

/// The brokers that a scenario is played on.
enum BrokerKind: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case inMemory
    /// The node of `RECTIFID_TEST_AMQP_URL`.
    case rabbitMQ

    static let url = ProcessInfo.processInfo.environment["RECTIFID_TEST_AMQP_URL"]

    static var available: [BrokerKind] { url == nil ? [.inMemory] : [.inMemory, .rabbitMQ] }

    var testDescription: String { rawValue }
}

/// A pool of its own on a broker, for one test.
struct Stage: Sendable {
    let kind: BrokerKind
    let pool: Pool
    let clock = ManualClock()
    private let node: InMemoryNode

    /// Retries wait for the manual clock in memory, and for milliseconds on RabbitMQ.
    private init(_ kind: BrokerKind, shards: Int) throws {
        self.kind = kind
        let name = "test." + String(UInt64.random(in: .min ... .max), radix: 36)
        pool = try Pool(
            name,
            retryDelays: kind == .inMemory ? [.seconds(5), .seconds(30)] : [.milliseconds(20), .milliseconds(40)],
            shards: shards)
        node = InMemoryNode(clock: clock)
    }

    /// Plays a scenario, and removes what it left on the broker.
    static func play(
        _ kind: BrokerKind, shards: Int = Pool.standardShards, _ scenario: (Stage) async throws -> Void
    ) async throws {
        let stage = try Stage(kind, shards: shards)
        let result: Result<Void, any Error>
        do {
            try await scenario(stage)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        if kind == .rabbitMQ {
            let broker = try await stage.connect()
            for queue in stage.pool.topology.queues { try await broker.delete(queue: queue.name) }
            for exchange in stage.pool.topology.exchanges { try await broker.delete(exchange: exchange.name) }
            await broker.close()
        }
        try result.get()
    }

    /// A new connection.
    func connect(maximumBodySize: Int = 64 << 20) async throws -> any Broker {
        guard kind == .rabbitMQ, let url = BrokerKind.url else {
            return InMemoryBroker(node: node, maximumBodySize: maximumBodySize)
        }
        var configuration = try RabbitMQConfiguration(url: url)
        configuration.maximumBodySize = maximumBodySize
        let broker = RabbitMQBroker(configuration, logger: Self.silent)
        try await broker.ready(within: .seconds(20))
        return broker
    }

    /// A new connection in memory, whose failures a test can cause.
    func connectInMemory() -> InMemoryBroker { InMemoryBroker(node: node) }

    /// A client, once the pool's queues are there.
    func client(replies: ReplyQueue = .exclusive()) async throws -> PersonalizationClient {
        let broker = try await connect()
        try await broker.declare(pool.topology)
        // Deadlines here are the workers' to notice, by clocks that the tests set.
        var configuration = ClientConfiguration()
        configuration.deadlineGrace = nil
        return try await PersonalizationClient.connect(
            to: broker, pool: pool, replies: replies, configuration: configuration)
    }

    func configuration(_ workerID: String = "worker-1") -> WorkerConfiguration {
        var configuration = WorkerConfiguration(workerID: workerID + "-" + pool.name, version: "1.2.3")
        configuration.pool = pool
        configuration.replyPatience = .zero
        return configuration
    }

    static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Lets the retry delays pass.
    func passRetryDelay() {
        if kind == .inMemory { clock.advance(by: .seconds(30)) }
    }

    /// Lets a worker work while `body` runs, and drains it.
    func withWorker(
        _ personalizer: any Personalizer, broker: (any Broker)? = nil, configuration: WorkerConfiguration? = nil,
        _ body: (JobWorker) async throws -> Void
    ) async throws {
        let own: any Broker = if let broker { broker } else { try await connect() }
        let worker = JobWorker(
            broker: own, personalizer: personalizer, configuration: configuration ?? self.configuration(),
            logger: Self.silent)
        let life = Task { try await worker.run() }
        let result: Result<Void, any Error>
        do {
            try await body(worker)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        worker.drain()
        try await life.value
        await own.close()
        try result.get()
    }
}

/// Asks until it is so; the test's time limit ends what never becomes so.
func eventually(_ condition: () async throws -> Bool) async throws {
    while !(try await condition()) {
        try Task.checkCancellation()
        await Task.yield()
    }
}

extension Broker {
    /// Waits until this many messages are ready in a queue.
    func wait(for count: Int, in queue: String) async throws {
        try await eventually { try await depth(of: queue).messages == count }
    }
}
