import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
import RectifIDClient
import Synchronization
import Testing
import TinyModel

/// What a broker and its operators can do to a worker that has a job.
@Suite(.serialized, .enabled(if: PrivateNode.isAvailable), .timeLimit(.minutes(4)))
struct BrokerFaultTests {
    /// A worker in this process, and a connection that sees the broker beside it.
    private struct Scene: Sendable {
        let node: PrivateNode
        let direct: RabbitMQBroker
        /// The worker's own.
        let connection: RabbitMQBroker
        let worker: JobWorker
        let pool: Pool
        let replies: String
        let gate: PassGate

        static func play(on node: PrivateNode, gateAt pass: Int?, _ body: (Scene) async throws -> Void) async throws {
            let direct = try await RealBroker.connect(node.url)
            let pool = try RealBroker.pool()
            let connection = try await RealBroker.connect(node.url) {
                $0.connectionName = "worker of \(pool.name)"
                $0.publishTimeLimit = .seconds(1)
            }
            let replies = try await direct.declareReplyQueue(.lasting(unusedFor: .seconds(600)))
            let gate = PassGate(atPass: pass)
            var configuration = WorkerConfiguration(workerID: "worker-\(pool.name)")
            configuration.pool = pool
            let worker = JobWorker(
                broker: connection,
                personalizer: TinyPersonalizer(onPass: { (_, pass) throws(Status) in gate.wait(at: pass) }),
                configuration: configuration, logger: .tests)
            try await direct.declare(pool.topology)
            let working = Task { try await worker.run() }
            let scene = Scene(
                node: node, direct: direct, connection: connection, worker: worker, pool: pool, replies: replies,
                gate: gate)
            try await attempt {
                try await body(scene)
            } cleanup: {
                gate.open()
                worker.drain()
                let end = await working.result
                try await direct.remove(pool.topology)
                try await direct.delete(queue: replies)
                await connection.close()
                await direct.close()
                try end.get()
            }
        }

        func submit(_ jobID: String) async throws {
            try await direct.publishTiny(jobID, replyTo: replies, pool: pool)
        }

        /// Reads until these jobs are answered, and checks that they have pictures, always the same.
        ///
        /// - Parameter earlier: A job that may be answered once more, since its request was given back.
        func expectAnswers(
            _ jobs: Set<String>, again: ClosedRange<Int> = 0...0, earlier: String? = nil
        ) async throws {
            var tally = ReplyTally()
            tally.ignored = earlier
            try await tally.read(replies, on: direct, untilAnswered: jobs.count)
            try await eventually {
                try await direct.depth(of: pool.workQueue(.interactive)).messages == 0 && worker.health.jobs.isEmpty
            }
            try await tally.readRest(replies, on: direct)
            #expect(Set(tally.finals.keys) == jobs && tally.contradictory.isEmpty)
            #expect(tally.finals.values.allSatisfy { $0[0].status == .ok })
            #expect(again.contains(tally.repeated), "\(tally.repeated)")
        }
    }

    @Test func `A worker goes on after its queues were deleted`() async throws {
        try await Scene.play(on: try PrivateNode.shared(), gateAt: nil) { scene in
            try await scene.submit("before")
            try await scene.expectAnswers(["before"])
            for lane in Lane.allCases {
                // By an operator: the connection that declared it knows nothing of that.
                try await scene.node.control("delete_queue", scene.pool.workQueue(lane))
            }
            // The worker declares them again.
            while true {
                do { try await scene.submit("after") } catch BrokerError.unroutable { continue }
                break
            }
            // Its queue may be made anew while it is taken, and then it is delivered again.
            try await scene.expectAnswers(["after"], again: 0...1)
        }
    }

    @Test func `A worker whose connections are closed by force loses no job`() async throws {
        try await Scene.play(on: try PrivateNode.shared(), gateAt: 2) { scene in
            try await scene.submit("job")
            await scene.gate.isReached()
            let losses = Losses(of: scene.connection)
            let list = try await scene.node.control("list_connections", "pid", "client_properties")
            let pids = list.split(separator: "\n").filter { $0.contains("worker of \(scene.pool.name)") }
                .compactMap { $0.split(separator: "\t").first.map { String($0) } }
            #expect(pids.count == 2)
            for pid in pids { try await scene.node.control("close_connection", pid, "test") }
            #expect(await scene.connection.isBack())
            scene.gate.open()
            // The computation in hand is answered; its request was given back and may be computed again.
            try await scene.expectAnswers(["job"], again: 0...1)
            #expect(await losses.stop() >= 1)
        }
    }

    @Test func `A worker keeps computing while the broker takes no messages, and replies afterwards`() async throws {
        try await PrivateNode.with { node in
            try await Scene.play(on: node, gateAt: 2) { scene in
                for job in ["first", "second"] { try await scene.submit(job) }
                await scene.gate.isReached()
                try await node.control("set_vm_memory_high_watermark", "absolute", "1")
                scene.gate.open()
                #expect(await scene.connection.reaches { if case .blocked = $0 { true } else { false } })
                // Both are computed though no reply gets out, and each try to publish ends by its time limit.
                try await eventually { scene.gate.passes >= 10 }
                try await Task.sleep(for: .seconds(2.5))
                #expect(scene.worker.health.counts.succeeded == 0)
                if case .blocked = scene.worker.health.broker {} else { Issue.record("\(scene.worker.health.broker)") }
                try await node.control("set_vm_memory_high_watermark", "0.6")
                // A reply whose first publish got through late is there twice.
                try await scene.expectAnswers(["first", "second"], again: 0...2)
                #expect(scene.worker.health.broker == .connected)
            }
        }
    }

    @Test func `A worker goes on after a restart of the broker in the middle of a job`() async throws {
        try await PrivateNode.with { node in
            try await Scene.play(on: node, gateAt: 2) { scene in
                for job in ["first", "second"] { try await scene.submit(job) }
                await scene.gate.isReached()
                try await node.restart()
                #expect(await scene.connection.isBack())
                scene.gate.open()
                try await scene.expectAnswers(["first", "second"], again: 0...1)
            }
        }
    }

    @Test func `A worker that holds a job beyond the consumer timeout keeps its connection and answers`() async throws {
        try await PrivateNode.with { node in
            // Looked at every minute unless told otherwise, which rabbitmq.conf cannot.
            try await node.control(
                "eval",
                "application:set_env(rabbit, channel_tick_interval, 500), application:set_env(rabbit, consumer_timeout, 1500)."
            )
            try await Scene.play(on: node, gateAt: 2) { scene in
                let losses = Losses(of: scene.connection)
                try await scene.submit("slow")
                await scene.gate.isReached()
                // The broker has closed the channel (406) and taken the request back.
                try await eventually {
                    try await scene.direct.depth(of: scene.pool.workQueue(.interactive)).messages == 1
                }
                scene.gate.open()
                try await scene.expectAnswers(["slow"], again: 0...1)
                try await scene.submit("next")
                try await scene.expectAnswers(["next"], earlier: "slow")
                #expect(await losses.stop() == 0)
            }
        }
    }
}
