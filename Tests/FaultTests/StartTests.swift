import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
import RectifIDClient
import Testing
import TinyModel

/// Workers that start while the broker is away, or that the broker will never let in.
@Suite(.serialized, .enabled(if: PrivateNode.isAvailable), .timeLimit(.minutes(4)))
struct StartTests {
    /// A worker whose broker is behind a proxy, and a job that waits for it.
    private struct Scene {
        let network: FaultyNetwork
        let pool: Pool
        let replies: String

        static func play(_ body: (Scene) async throws -> Void) async throws {
            try await FaultyNetwork.play { network in
                let pool = try RealBroker.pool()
                try await network.direct.declare(pool.topology)
                let replies = try await network.direct.declareReplyQueue(.lasting(unusedFor: .seconds(600)))
                try await network.direct.publishTiny("job", replyTo: replies, pool: pool)
                let result: Result<Void, any Error>
                do {
                    try await body(Scene(network: network, pool: pool, replies: replies))
                    result = .success(())
                } catch {
                    result = .failure(error)
                }
                try await network.direct.remove(pool.topology)
                try await network.direct.delete(queue: replies)
                try result.get()
            }
        }

        /// A connection that nobody waits for.
        func connect(_ adjust: (inout RabbitMQConfiguration) -> Void = { _ in }) throws -> RabbitMQBroker {
            var configuration = try RabbitMQConfiguration(url: "amqp://guest:guest@127.0.0.1:\(network.proxy.port)/")
            configuration.backoff = Backoff(initial: .milliseconds(20), maximum: .milliseconds(200))
            configuration.callTimeLimit = .seconds(5)
            adjust(&configuration)
            return RabbitMQBroker(configuration, logger: .tests)
        }

        func worker(on broker: RabbitMQBroker, declares: Bool = true) -> JobWorker {
            var configuration = WorkerConfiguration(workerID: "worker-\(pool.name)")
            configuration.pool = pool
            configuration.declaresTopology = declares
            return JobWorker(
                broker: broker, personalizer: TinyPersonalizer(), configuration: configuration,
                logger: .tests)
        }

        func expectAnswer() async throws {
            var tally = ReplyTally()
            try await tally.read(replies, on: network.direct, untilAnswered: 1)
            #expect(tally.finals["job"]?.first?.status == .ok)
        }
    }

    @Test func `A broker that refuses, is silent and cuts while a worker starts is waited for`() async throws {
        try await Scene.play { scene in
            let proxy = scene.network.proxy
            proxy.refuse()
            let broker = try scene.connect { $0.connectTimeLimit = .milliseconds(300) }
            let worker = scene.worker(on: broker)
            let working = Task { try await worker.run() }
            await proxy.until { $0.accepted >= 8 }
            #expect(worker.health.state == .starting && worker.health.broker != .connected)
            // Connections are taken, and nothing is said in them.
            proxy.swallow()
            let silent = proxy.counts.accepted
            proxy.restore()
            proxy.swallow()
            await proxy.until { $0.accepted >= silent + 4 }
            #expect(worker.health.state == .starting)
            // Now in the middle of its declarations, each time a little later.
            for round in 1...5 {
                let before = proxy.counts.cut
                proxy.cut(afterBytes: 150 * round, .toClient, named: "(consume)")
                if round == 1 { proxy.restore() }
                await proxy.until { $0.cut > before }
            }
            try await scene.expectAnswer()
            #expect(worker.health.state == .ready)
            worker.drain()
            try await working.value
            await broker.close()
        }
    }

    @Test func `A worker process that starts before its broker does its job when there is one`() async throws {
        try await PrivateNode.with { node in
            let pool = try RealBroker.pool()
            let direct = try await RealBroker.connect(node.url)
            try await direct.declare(pool.topology)
            let replies = try await direct.declareReplyQueue(.lasting(unusedFor: .seconds(600)))
            try await direct.publishTiny("job", replyTo: replies, pool: pool)
            try await node.crash()
            let log = node.directory + "/worker.log"
            let worker = try WorkerProcess(arguments: [node.url, pool.name], log: log)
            // It has tried and failed on both of its connections, more than once.
            try await eventually { Self.failures(in: log) >= 6 }
            // One that is not wanted any more can be stopped meanwhile, once it listens to signals.
            let spare = try WorkerProcess(arguments: [node.url, pool.name], log: log + ".spare")
            try await eventually { Self.failures(in: log + ".spare") >= 6 }
            spare.terminate()
            #expect(await spare.end() == .exit(0))
            #expect(worker.isRunning)
            try await node.restart()
            var tally = ReplyTally()
            try await tally.read(replies, on: direct, untilAnswered: 1)
            #expect(tally.finals["job"]?.first?.status == .ok)
            worker.terminate()
            #expect(await worker.end() == .exit(0))
            await direct.close()
        }
    }

    private static func failures(in log: String) -> Int {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").count { $0.contains("not connected") }
    }

    @Test func `A worker without a topology waits for whoever declares it`() async throws {
        try await Scene.play { scene in
            try await scene.network.direct.remove(scene.pool.topology)
            let broker = try scene.connect()
            let worker = scene.worker(on: broker, declares: false)
            let working = Task { try await worker.run() }
            #expect(await broker.isBack())
            try await eventually { worker.health.state == .starting && worker.health.broker == .connected }
            try await scene.network.direct.declare(scene.pool.topology)
            try await scene.network.direct.publishTiny("job", replyTo: scene.replies, pool: scene.pool)
            try await scene.expectAnswer()
            worker.drain()
            try await working.value
            await broker.close()
        }
    }

    @Test func `What waiting does not mend ends a worker at once, with what was wrong`() async throws {
        try await Scene.play { scene in
            let wrongPassword = try scene.connect { $0.endpoint.password = "wrong" }
            var error = await failure { try await scene.worker(on: wrongPassword).run() }
            guard case .authenticationFailed = error else {
                Issue.record("unexpected: \(String(describing: error))")
                return
            }
            await wrongPassword.close()

            let noSuchAuthority = try scene.connect {
                $0.endpoint.isEncrypted = true
                $0.tls.authorities = "/no/such/file.pem"
            }
            error = await failure { try await scene.worker(on: noSuchAuthority).run() }
            #expect(error == .invalid("cannot read the TLS authorities '/no/such/file.pem'"))
            await noSuchAuthority.close()

            let direct = scene.network.direct
            try await direct.delete(queue: scene.pool.deadLetterQueue)
            try await direct.declare(Topology(queues: [Queue(scene.pool.deadLetterQueue, kind: .classic)]))
            let broker = try scene.connect()
            error = await failure { try await scene.worker(on: broker).run() }
            guard case .preconditionFailed(let text) = error else {
                Issue.record("unexpected: \(String(describing: error))")
                return
            }
            #expect(text.contains(scene.pool.deadLetterQueue))
            await broker.close()
        }
    }

    @Test func `Of several nodes one that can be reached is enough, and trouble with one is not lasting`()
        async throws
    {
        try await Scene.play { scene in
            let proxy = scene.network.proxy
            // Nobody listens on port 1.
            let broker = try scene.connect {
                $0.endpoint.alternatives = (0..<3).map { _ in AMQPEndpoint.Address(host: "127.0.0.1", port: 1) }
            }
            let worker = scene.worker(on: broker)
            let working = Task { try await worker.run() }
            try await scene.expectAnswer()
            proxy.cut()
            try await scene.network.direct.publishTiny("job", replyTo: scene.replies, pool: scene.pool)
            try await scene.expectAnswer()
            worker.drain()
            try await working.value
            await broker.close()

            let hopeless = try scene.connect {
                $0.endpoint.password = "wrong"
                $0.endpoint.alternatives = [AMQPEndpoint.Address(host: "127.0.0.1", port: 1)]
            }
            let error = await failure { try await hopeless.ready(within: .seconds(1)) }
            guard case .disconnected(let text) = error else {
                Issue.record("unexpected: \(String(describing: error))")
                return
            }
            #expect(text.contains("127.0.0.1:1/") && text.contains("refused the login"))
            await hopeless.close()
        }
    }
}
