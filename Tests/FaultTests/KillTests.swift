import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
import RectifIDClient
import Testing
import TinyModel

/// Worker processes that are killed, or asked to end, at every point of a job's life.
@Suite(.serialized, .enabled(if: RealBroker.isAvailable), .timeLimit(.minutes(3)))
struct KillTests {
    /// One job's pool, and where its replies come.
    private struct Scene {
        let broker: RabbitMQBroker
        let pool: Pool
        let replies: String

        static func play(_ body: (Scene) async throws -> Void) async throws {
            let broker = try await RealBroker.connect()
            let pool = try RealBroker.pool()
            try await broker.declare(pool.topology)
            let replies = try await broker.declareReplyQueue(.lasting(unusedFor: .seconds(600)))
            try await attempt {
                try await body(Scene(broker: broker, pool: pool, replies: replies))
            } cleanup: {
                try await broker.remove(pool.topology)
                try await broker.delete(queue: replies)
                await broker.close()
            }
        }

        func start(_ id: String, _ environment: [String: String] = [:]) throws -> WorkerProcess {
            try WorkerProcess(
                arguments: [RealBroker.url ?? "", pool.name],
                environment: environment.merging(["TINY_WORKER_ID": "\(id)-\(pool.name)"]) { $1 })
        }

        func isSettled() async throws -> Bool { try await RealBroker.isSettled(pool, on: broker) }
    }

    /// Points at which a job that succeeds can lose its worker.
    @Test(arguments: [KillPoint.taken, .accepted, .computing, .replied, .acknowledged])
    func aKilledWorkersJobIsAnsweredByAnother(point: KillPoint) async throws {
        try await Scene.play { scene in
            try await scene.broker.publishTiny("job", replyTo: scene.replies, pool: scene.pool)
            let doomed = try scene.start("doomed", ["TINY_DIE": point.rawValue])
            #expect(await doomed.end() == .signal(SIGKILL))
            try await finish(scene, status: .ok, letters: 0...0)
        }
    }

    @Test func aWorkerKilledBetweenARetryAndItsAcknowledgementLosesNothing() async throws {
        try await Scene.play { scene in
            try await scene.broker.publishTiny("job", replyTo: scene.replies, pool: scene.pool)
            let doomed = try scene.start("doomed", ["TINY_DIE": "retried", "TINY_FAIL": "later"])
            #expect(await doomed.end() == .signal(SIGKILL))
            // Now there are two: one that waited, and one that was given back. Between two queues neither would count it.
            try await eventually {
                try await scene.broker.depth(of: scene.pool.workQueue(.interactive)).messages == 2
            }
            try await finish(scene, status: .ok, letters: 0...0)
        }
    }

    @Test func aWorkerKilledBetweenADeadLetterAndItsAcknowledgementLosesNothing() async throws {
        try await Scene.play { scene in
            try await scene.broker.publishTiny("job", replyTo: scene.replies, pool: scene.pool)
            let doomed = try scene.start("doomed", ["TINY_DIE": "deadLettered", "TINY_FAIL": "forever"])
            #expect(await doomed.end() == .signal(SIGKILL))
            try await finish(scene, status: .failedPrecondition, letters: 1...2, ["TINY_FAIL": "forever"])
        }
    }

    @Test func aWorkerKilledBetweenAHandOverAndItsAcknowledgementLosesNothing() async throws {
        try await Scene.play { scene in
            try await scene.broker.publishTiny("job", replyTo: scene.replies, pool: scene.pool, iterations: 50)
            let doomed = try scene.start("doomed", ["TINY_DIE": "handedOver", "TINY_PASS_MS": "50"])
            try await eventually { try await scene.broker.depth(of: scene.replies).messages > 0 }
            doomed.terminate()
            #expect(await doomed.end() == .signal(SIGKILL))
            try await finish(scene, status: .ok, letters: 0...0)
        }
    }

    /// Lets another worker finish, and checks that the job is answered once, or more often with the same.
    private func finish(
        _ scene: Scene, status: StatusCode, letters: ClosedRange<Int>, _ environment: [String: String] = [:]
    ) async throws {
        var tally = ReplyTally()
        let worker = try scene.start("second", environment)
        try await tally.read(scene.replies, on: scene.broker, untilAnswered: 1)
        // It has nothing left to do, and listens again: so it also listens to signals.
        try await eventually {
            guard try await scene.isSettled() else { return false }
            return try await scene.broker.depth(of: scene.pool.workQueue(.batch)).consumers == 1
        }
        worker.terminate()
        #expect(await worker.end() == .exit(0))
        #expect(try await scene.isSettled())
        try await tally.readRest(scene.replies, on: scene.broker)
        let finals = try #require(tally.finals["job"])
        #expect(tally.answered == 1 && (1...2).contains(finals.count) && tally.contradictory.isEmpty)
        #expect(finals[0].status == status)
        #expect(letters.contains(try await scene.broker.depth(of: scene.pool.deadLetterQueue).messages))
    }

    @Test func aTerminatedWorkerEndsWithinAnIterationAndTwoSeconds() async throws {
        try await Scene.play { scene in
            let pass = 700
            try await scene.broker.publishTiny("job", replyTo: scene.replies, pool: scene.pool, iterations: 20)
            let worker = try scene.start("first", ["TINY_PASS_MS": "\(pass)"])
            try await eventually { try await scene.broker.depth(of: scene.replies).messages > 0 }
            let start = ContinuousClock.now
            worker.terminate()
            #expect(await worker.end() == .exit(0))
            let elapsed = start.duration(to: .now)
            #expect(elapsed < .milliseconds(pass) + .seconds(2), "\(elapsed)")
            let delivery = try #require(try await scene.broker.get(queue: scene.pool.workQueue(.interactive)))
            let state = try PersonalizeRequest.decode(delivery.body).resume
            #expect(state?.interruptions == 1 && (1...3).contains(state?.nextIteration ?? 0))
            try await scene.broker.acknowledge(delivery)

            let idle = try scene.start("idle")
            try await eventually {
                try await scene.broker.depth(of: scene.pool.workQueue(.batch)).consumers == 1
            }
            let idleStart = ContinuousClock.now
            idle.terminate()
            #expect(await idle.end() == .exit(0))
            #expect(idleStart.duration(to: .now) < .seconds(2))
        }
    }
}
