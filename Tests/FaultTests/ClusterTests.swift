import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
import RectifIDClient
import Testing
import TinyModel

/// Nodes of a cluster that go, one after the other, under a worker that has jobs.
@Suite(.serialized, .enabled(if: PrivateNode.isAvailable), .timeLimit(.minutes(10)))
struct ClusterTests {
    @Test func `Work goes on when the leader of its queue is lost, and then the node that the worker is connected to`()
        async throws
    {
        try await PrivateNode.withCluster(of: 3) { nodes in
            let pool = try RealBroker.pool()
            let worker = try Self.worker(nodes, pool)
            let working = Task { try await worker.run() }
            try await eventually { worker.health.state == .ready }
            let client = try Self.connect(nodes)
            // On all nodes: a reply queue of the usual kind would be lost with its own.
            let replies = "\(pool.name).replies"
            try await client.declare(Topology(queues: [Queue(replies)]))
            var round = Round(pool: pool, client: client, replies: replies)
            try await round.play("calm")

            let queue = pool.workQueue(.interactive)
            let leader = try await Self.leader(of: queue, seenFrom: nodes)
            try await leader.crash()
            try await round.play("without its leader")
            let survivors = nodes.filter { $0.directory != leader.directory }
            let successor = try await Self.leader(of: queue, seenFrom: survivors)
            #expect(successor.directory != leader.directory)
            try await leader.restart()
            try await Self.isWhole(queue, nodes)

            let connected = try await Self.nodeOfConnection("worker of \(pool.name) (consume)", nodes)
            try await connected.crash()
            try await round.play("without its connection")
            let next = try await Self.nodeOfConnection(
                "worker of \(pool.name) (consume)", nodes.filter { $0.directory != connected.directory })
            #expect(next.directory != connected.directory)
            #expect(worker.health.state == .ready && worker.health.broker == .connected)
            worker.drain()
            try await working.value
            await client.close()
        }
    }

    /// Jobs published and answered through whichever node is there.
    private struct Round {
        let pool: Pool
        let client: RabbitMQBroker
        let replies: String
        var tally = ReplyTally()
        var published = 0

        init(pool: Pool, client: RabbitMQBroker, replies: String) {
            self.pool = pool
            self.client = client
            self.replies = replies
        }

        mutating func play(_ name: String) async throws {
            for index in 0..<20 {
                // As a client does: until the broker has confirmed it, under the same id.
                while true {
                    do {
                        try await client.publishTiny(
                            "\(name) \(index)".replacing(" ", with: "-"), replyTo: replies, pool: pool)
                        break
                    } catch {
                        guard error.isTransient else { throw error }
                    }
                }
            }
            published += 20
            try await tally.read(replies, on: client, untilAnswered: published)
            #expect(tally.finals.values.allSatisfy { $0[0].status == .ok })
            #expect(tally.contradictory.isEmpty)
        }
    }

    private static func connect(
        _ nodes: [PrivateNode], name: String = "client", publishTimeLimit: Duration = .seconds(20)
    ) throws -> RabbitMQBroker {
        let addresses = try nodes.map { "127.0.0.1:\(try $0.port)" }.joined(separator: ",")
        var configuration = try RabbitMQConfiguration(url: "amqp://guest:guest@\(addresses)/")
        configuration.connectionName = name
        configuration.backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(1))
        configuration.publishTimeLimit = publishTimeLimit
        return RabbitMQBroker(configuration, logger: .tests)
    }

    private static func worker(_ nodes: [PrivateNode], _ pool: Pool) throws -> JobWorker {
        var configuration = WorkerConfiguration(workerID: "worker-\(pool.name)")
        configuration.pool = pool
        return JobWorker(
            broker: try connect(nodes, name: "worker of \(pool.name)"), personalizer: TinyPersonalizer(),
            configuration: configuration, logger: .tests)
    }

    /// The node that leads a queue; waits until there is one.
    private static func leader(of queue: String, seenFrom nodes: [PrivateNode]) async throws -> PrivateNode {
        let names = try nodes.map { "rectifid-\(try $0.port)@localhost" }
        while true {
            let list = try await nodes[0].control("list_queues", "name", "leader")
            for line in list.split(separator: "\n") {
                let fields = line.split(separator: "\t").map { String($0) }
                guard fields.count == 2, fields[0] == queue, let index = names.firstIndex(of: fields[1]) else {
                    continue
                }
                return nodes[index]
            }
            try Task.checkCancellation()
        }
    }

    /// Waits until all nodes hold the queue: before that, losing another would leave no majority.
    private static func isWhole(_ queue: String, _ nodes: [PrivateNode]) async throws {
        try await eventually {
            let list = try await nodes[0].control("list_queues", "name", "online")
            return list.split(separator: "\n").contains { line in
                line.hasPrefix(queue + "\t") && line.split(separator: ",").count == nodes.count
            }
        }
    }

    /// The node that a connection of this name leads to; waits until there is one.
    private static func nodeOfConnection(_ name: String, _ nodes: [PrivateNode]) async throws -> PrivateNode {
        let ports = try nodes.map { "\(try $0.port)" }
        while true {
            let list = try await nodes[0].control("list_connections", "client_properties", "port")
            for line in list.split(separator: "\n") where line.contains("\"\(name)\"") {
                if let index = ports.firstIndex(where: { line.hasSuffix("\t" + $0) }) { return nodes[index] }
            }
            try Task.checkCancellation()
        }
    }
}
