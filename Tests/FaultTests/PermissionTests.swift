import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
import RectifIDClient
import Testing
import TinyModel

/// Users with the permissions that `deploy/permissions` gives them, and no others.
@Suite(.serialized, .enabled(if: PrivateNode.isAvailable), .timeLimit(.minutes(4)))
struct PermissionTests {
    /// The regular expressions for configure, write and read of a role.
    private static func permissions(_ role: String, pool: String) async throws -> [String] {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("deploy/permissions").path
        let lines = try await PrivateNode.run(script, [pool, role]).split(separator: "\n").map { String($0) }
        try #require(lines.count == 3)
        return lines
    }

    private static func connect(_ user: String, _ node: PrivateNode) async throws -> RabbitMQBroker {
        try await RealBroker.connect(node.url) {
            $0.endpoint.username = user
            $0.endpoint.password = "secret"
        }
    }

    @Test func `Each role can do its work with its own permissions alone, and no other's`() async throws {
        try await PrivateNode.with { node in
            for role in ["declaring-worker", "worker", "client", "operator", "nobody"] {
                try await node.control("add_user", role, "secret")
                let allowed =
                    role == "nobody" ? ["^$", "^$", "^$"] : try await Self.permissions(role, pool: "rectifid")
                try await node.control("set_permissions", role, allowed[0], allowed[1], allowed[2])
            }
            try await declareByWorker(node)
            try await work(node)
            try await clean(node)
            try await refuse(node)
        }
    }

    /// The first worker makes the topology, and a job runs.
    private func declareByWorker(_ node: PrivateNode) async throws {
        try await run("declaring-worker", node, declares: true) {
            let broker = try await Self.connect("client", node)
            let client = try await PersonalizationClient.connect(to: broker)
            #expect(try await client.submit(TinyRequest.make()).result().status == .ok)
            await client.close()
            await broker.close()
        }
    }

    /// A worker that may declare nothing but its control queue: jobs, retries, dead letters, hand-over, cancel.
    private func work(_ node: PrivateNode) async throws {
        try await run("worker", node, declares: false) {
            let broker = try await Self.connect("client", node)
            let client = try await PersonalizationClient.connect(to: broker)
            #expect(try await client.submit(TinyRequest.make(iterations: 8)).result().status == .ok)
            var bad = TinyRequest.make()
            bad.references = [Reference(picture: .image([1, 2, 3]))]
            #expect(try await client.submit(bad, jobID: "bad").result().status.code == .invalidArgument)
            for try await description in try await client.describeWorkers() {
                #expect(description.workerID == "worker")
                break
            }
            // Nothing of other people's.
            let error = await failure { _ = try await broker.get(queue: Pool.standard.deadLetterQueue) }
            guard case .accessRefused(let text) = error else {
                Issue.record("unexpected: \(String(describing: error))")
                return
            }
            #expect(text.contains("rectifid.dead"))
            await client.close()
            await broker.close()
        }
    }

    /// An operator reads the dead letter and gives it back to its lane.
    private func clean(_ node: PrivateNode) async throws {
        let broker = try await Self.connect("operator", node)
        let pool = Pool.standard
        let letter = try #require(try await broker.get(queue: pool.deadLetterQueue))
        #expect(letter.properties.messageID == "bad")
        try await broker.publish(
            OutgoingMessage(letter.properties, body: letter.body), exchange: pool.workExchange,
            routingKey: Lane.batch.rawValue)
        try await broker.acknowledge(letter)
        #expect(try await broker.depth(of: pool.workQueue(.batch)).messages == 1)
        #expect(try await broker.purge(queue: pool.workQueue(.batch)) == 1)
        await broker.close()
    }

    private func refuse(_ node: PrivateNode) async throws {
        let nobody = try await Self.connect("nobody", node)
        var configuration = WorkerConfiguration(workerID: "nobody")
        configuration.declaresTopology = true
        let worker = JobWorker(
            broker: nobody, personalizer: TinyPersonalizer(), configuration: configuration, logger: .tests)
        // At once, not after a time limit: waiting gives nobody a permission.
        let error = await failure { try await worker.run() }
        guard case .accessRefused(let text) = error else {
            Issue.record("unexpected: \(String(describing: error))")
            return
        }
        #expect(text.contains("rectifid") && text.contains("nobody"))
        let sending = await failure {
            try await nobody.publish(
                OutgoingMessage(body: [1]), exchange: Pool.standard.workExchange, routingKey: "batch")
        }
        guard case .accessRefused = sending else {
            Issue.record("unexpected: \(String(describing: sending))")
            return
        }
        await nobody.close()
    }

    private func run(
        _ user: String, _ node: PrivateNode, declares: Bool, _ body: () async throws -> Void
    ) async throws {
        let broker = try await Self.connect(user, node)
        var configuration = WorkerConfiguration(workerID: user)
        configuration.declaresTopology = declares
        let worker = JobWorker(
            broker: broker, personalizer: TinyPersonalizer(), configuration: configuration, logger: .tests)
        let working = Task { try await worker.run() }
        // A worker that is refused ends, and then the test must not wait for its answers.
        let ready = Task { try await eventually { worker.health.state != .starting } }
        try await ready.value
        try await attempt {
            try await body()
        } cleanup: {
            worker.drain()
            try await working.value
            await broker.close()
        }
    }
}
