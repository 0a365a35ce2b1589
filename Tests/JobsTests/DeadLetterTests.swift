import Broker
import Foundation
import Jobs
import Messages
import RectifIDClient
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2)))
struct DeadLetterTests {
    @Test(arguments: BrokerKind.available)
    func lookingAtDeadLettersLosesNoneAndKeepsTheirOrder(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            let ids = (1...30).map { "job-\($0)" }
            for id in ids { try await write(id, code: "INTERNAL", on: stage, with: broker) }
            let queue = DeadLetterQueue(broker: broker, pool: stage.pool)
            // More often than RabbitMQ's usual limit of returns.
            for _ in 1...25 { #expect(try await queue.letters().map(\.jobID) == ids) }
            #expect(try await queue.letter(ofJob: "job-17")?.letter.jobID == "job-17")
            #expect(try await queue.letter(ofJob: "nobody") == nil)
            #expect(try await queue.letters().map(\.jobID) == ids)
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func lettersAreFoundAndGroupedByCode(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            for (id, code) in [("a", "INTERNAL"), ("b", "NOT_FOUND"), ("c", "NOT_FOUND")] {
                try await write(id, code: code, on: stage, with: broker)
            }
            let queue = DeadLetterQueue(broker: broker, pool: stage.pool)
            let letters = try await queue.letters()
            let groups = DeadLetterGroup.groups(of: letters)
            #expect(groups.map(\.code) == ["NOT_FOUND", "INTERNAL"])
            #expect(groups.map { $0.letters.map(\.jobID) } == [["b", "c"], ["a"]])
            try await broker.wait(for: 3, in: stage.pool.deadLetterQueue)
            #expect(try await queue.letters(.code("not_found")).map(\.jobID) == ["b", "c"])
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aRetriedLetterIsAFreshJobAndTheOthersStay(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let isMended = Mutex(false)
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in
                if !isMended.withLock({ $0 }) { throw Status(.notFound, "no model yet") }
            })
            let broker = try await stage.connect()
            try await stage.withWorker(personalizer) { _ in
                for id in ["first", "second", "third"] {
                    let result = try await client.submit(try Sample.request(), lane: .batch, jobID: id).result()
                    #expect(result.status.code == .notFound)
                }
                try await broker.wait(for: 3, in: stage.pool.deadLetterQueue)
                isMended.withLock { $0 = true }
                // The answer goes to whoever asks now: the first client's submission is over.
                var log = try await ReplyLog(on: stage)
                let queue = DeadLetterQueue(broker: broker, pool: stage.pool)
                let counts = Mutex<[Int]>([])
                let sent = try await queue.retry(.jobs(["second"]), replyTo: log.queue) { _, count in
                    counts.withLock { $0.append(count) }
                }
                #expect(sent.map(\.jobID) == ["second"] && sent[0].lane == .batch && counts.withLock { $0 } == [1])
                let (jobID, result, _) = try await log.nextResult()
                #expect(jobID == "second" && result.status == .ok && result.attempt == 1)
                try await broker.wait(for: 2, in: stage.pool.deadLetterQueue)
                #expect(try await queue.letters().map(\.jobID) == ["first", "third"])
                try await broker.wait(for: 2, in: stage.pool.deadLetterQueue)
                #expect(try await queue.retry(.code("NOT_FOUND"), replyTo: log.queue).count == 2)
                for _ in 1...2 { #expect(try await log.nextResult().result.status == .ok) }
                #expect(try await broker.depth(of: stage.pool.deadLetterQueue).messages == 0)
                await log.broker.close()
            }
            await broker.close()
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aResultThatNobodyCanTakeIsKeptAndNeedsOnePassToDeliver(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            var log = try await ReplyLog(on: stage)
            let gone = try await ReplyLog(on: stage)
            let gate = Gate(atPass: 4)
            let passes = Mutex<[Int]>([])
            let personalizer = ScriptedPersonalizer(onPass: { (pass) throws(Status) in
                gate.wait(at: pass)
                passes.withLock { $0.append(pass) }
            })
            try await stage.withWorker(personalizer) { _ in
                try await log.broker.publishJob(
                    Sample.properties(jobID: "orphan", replyTo: gone.queue), body: try Sample.request().encode(),
                    pool: stage.pool)
                await gate.isReached()
                await gone.broker.close()
                try await eventually {
                    do throws(BrokerError) {
                        _ = try await log.broker.depth(of: gone.queue)
                        return false
                    } catch {
                        // Locked while the connection closes, then gone.
                        if case .notFound = error { return true }
                        return false
                    }
                }
                gate.open()
                try await log.broker.wait(for: 1, in: stage.pool.deadLetterQueue)
                let queue = DeadLetterQueue(broker: log.broker, pool: stage.pool)
                let letters = try await queue.letters()
                #expect(letters.map(\.header.code) == ["UNAVAILABLE"])
                #expect(letters[0].header.reason.hasPrefix("reply undeliverable"))
                try await log.broker.wait(for: 1, in: stage.pool.deadLetterQueue)
                try await queue.retry(.all, replyTo: log.queue)
                let (_, result, _) = try await log.nextResult()
                #expect(result.status == .ok && result.losses.count == 4)
                #expect(passes.withLock { $0 } == [0, 1, 2, 3, 4, 4])
            }
            await log.broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aJobWhoseClientIsGoneFromTheStartIsNotComputedToItsEnd(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            let passes = Mutex(0)
            let personalizer = ScriptedPersonalizer(onPass: { (_) throws(Status) in
                passes.withLock { $0 += 1 }
                // A pass takes its time, in which the answer to the first event can come.
                usleep(2000)
            })
            try await stage.withWorker(personalizer) { worker in
                try await broker.publishJob(
                    Sample.properties(jobID: "orphan", replyTo: "no-such-queue"),
                    body: try Sample.request(iterations: 1000).encode(), pool: stage.pool)
                try await broker.wait(for: 1, in: stage.pool.deadLetterQueue)
                try await eventually { worker.health.jobs.isEmpty }
            }
            #expect(passes.withLock { $0 } < 1000)
            let letters = try await DeadLetterQueue(broker: broker, pool: stage.pool).letters()
            #expect(letters[0].header.reason.contains("no-such-queue"))
            await broker.close()
        }
    }

    private func write(_ id: String, code: String, on stage: Stage, with broker: any Broker) async throws {
        var properties = Sample.properties(jobID: id, replyTo: "nowhere")
        properties.headers = ["rectifid-death-code": .string(code), "rectifid-death-reason": "a reason"]
        try await broker.publish(
            OutgoingMessage(properties, body: [1, 2, 3]), exchange: stage.pool.deadLetterExchange,
            routingKey: Lane.batch.rawValue)
    }
}
