import Broker
import BrokerTestSupport
import Jobs
import Logging
import Messages
import RectifIDClient

/// A pool of its own on a broker, for one test.
struct Stage: Sendable {
    let kind: BrokerKind
    let pool: Pool
    let clock = ManualClock()
    private let node: InMemoryNode

    /// Retries wait for the manual clock in memory, and for milliseconds on RabbitMQ.
    private init(_ kind: BrokerKind, shards: Int) throws {
        self.kind = kind
        pool = try Pool(
            Pool.randomName(),
            retryDelays: kind == .inMemory ? [.seconds(5), .seconds(30)] : [.milliseconds(20), .milliseconds(40)],
            shards: shards)
        node = InMemoryNode(clock: clock)
    }

    /// Plays a scenario, and removes what it left on the broker.
    static func play(
        _ kind: BrokerKind, shards: Int = Pool.standardShards, _ scenario: (Stage) async throws -> Void
    ) async throws {
        let stage = try Stage(kind, shards: shards)
        try await attempt {
            try await scenario(stage)
        } cleanup: {
            guard kind == .rabbitMQ else { return }
            let broker = try await stage.connect()
            try await broker.remove(stage.pool.topology)
            await broker.close()
        }
    }

    /// A new connection.
    func connect(maximumBodySize: Int = 64 << 20) async throws -> any Broker {
        switch kind {
        case .inMemory: InMemoryBroker(node: node, maximumBodySize: maximumBodySize)
        case .rabbitMQ: try await RealBroker.connect { $0.maximumBodySize = maximumBodySize }
        }
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
            logger: .silent)
        let life = Task { try await worker.run() }
        try await attempt {
            try await body(worker)
        } cleanup: {
            worker.drain()
            try await life.value
            await own.close()
        }
    }
}
