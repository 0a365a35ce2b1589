import Broker
import BrokerTestSupport
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
            let ids = (1...12).map { "job-\($0)" }
            for id in ids { try await stage.writeLetter(id, code: "INTERNAL", with: broker) }
            let queue = stage.letters(with: broker)
            let first = try await queue.letters()
            // More often than any version's usual limit of returns, which is 20.
            for _ in 1...100 {
                let letters = try await queue.letters()
                #expect(letters.map(\.jobID) == ids && letters.map(\.id) == first.map(\.id))
            }
            #expect(try await queue.letter(ofJob: "job-7")?.letter.jobID == "job-7")
            #expect(try await queue.letter(ofJob: first[6].id)?.letter.jobID == "job-7")
            #expect(try await queue.letter(ofJob: "nobody") == nil)
            #expect(try await queue.letters().map(\.jobID) == ids)
            // What was looked at so often can still be retried, and begins again with no returns.
            #expect(try await queue.retry(.jobs(["job-3"])).done.map(\.jobID) == ["job-3"])
            let job = try #require(try await broker.get(queue: stage.pool.workQueue(.batch)))
            #expect(job.properties.messageID == "job-3" && job.deliveryCount == 0)
            try await broker.acknowledge(job)
            #expect(try await queue.letters().map(\.jobID) == ids.filter { $0 != "job-3" })
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aLookThatIsCutOffLosesNothing(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            let ids = (1...10).map { "job-\($0)" }
            for id in ids { try await stage.writeLetter(id, with: broker) }
            let gone = try await stage.connect()
            for _ in 1...4 { #expect(try await gone.get(queue: stage.pool.deadLetterQueue) != nil) }
            await gone.close()
            try await broker.wait(for: 10, in: stage.pool.deadLetterQueue)
            let found = try await stage.letters(with: broker).letters().map(\.jobID)
            #expect(found.sorted() == ids.sorted())
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func twoWhoLookAtTheSameTimeBothSeeEverything(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            var brokers: [any Broker] = []
            for _ in 1...3 { brokers.append(try await stage.connect()) }
            try await brokers[0].declare(stage.pool.topology)
            // More than RabbitMQ takes returns of one by one.
            let ids = (1...50).map { "job-\($0)" }
            for id in ids { try await stage.writeLetter(id, with: brokers[0]) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for broker in brokers {
                    group.addTask {
                        for _ in 1...3 {
                            let seen = try await stage.letters(with: broker).letters()
                            #expect(seen.map(\.jobID) == ids)
                        }
                    }
                }
                try await group.waitForAll()
            }
            // Who does not want to wait is told that somebody else is there.
            let holder = Topology(queues: [
                Queue(stage.pool.deadLetterLock, kind: .classic, isDurable: false, isExclusive: true)
            ])
            try await brokers[0].declare(holder)
            var impatient = stage.letters(with: brokers[1])
            impatient.patience = .zero
            await #expect(throws: BrokerError.self) { _ = try await impatient.letters() }
            await brokers[0].close()
            // Its lock went with it.
            #expect(try await stage.letters(with: brokers[1]).letters().map(\.jobID) == ids)
            for broker in brokers.dropFirst() { await broker.close() }
        }
    }

    @Test(arguments: BrokerKind.available)
    func lettersAreFoundAndGroupedByCode(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            for (id, code) in [("a", "INTERNAL"), ("b", "NOT_FOUND"), ("c", "NOT_FOUND")] {
                try await stage.writeLetter(id, code: code, with: broker)
            }
            let queue = stage.letters(with: broker)
            let groups = try await queue.groups()
            #expect(groups.map(\.code) == ["NOT_FOUND", "INTERNAL"] && groups.map(\.count) == [2, 1])
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
                let queue = stage.letters(with: broker)
                let counts = Mutex<[Int]>([])
                var plan = DeadLetterPlan(replyTo: log.queue)
                plan.progress = { _, count in counts.withLock { $0.append(count) } }
                let sent = try await queue.retry(.jobs(["second"]), plan).done
                #expect(sent.map(\.jobID) == ["second"] && sent[0].lane == .batch && counts.withLock { $0 } == [1])
                let (jobID, result, _) = try await log.nextResult()
                #expect(jobID == "second" && result.status == .ok && result.attempt == 1)
                try await broker.wait(for: 2, in: stage.pool.deadLetterQueue)
                #expect(try await queue.letters().map(\.jobID) == ["first", "third"])
                try await broker.wait(for: 2, in: stage.pool.deadLetterQueue)
                #expect(try await queue.retry(.code("NOT_FOUND"), plan).done.count == 2)
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
            let gate = PassGate(atPass: 4)
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
                let queue = stage.letters(with: log.broker)
                let letters = try await queue.letters()
                #expect(letters.map(\.header.code) == ["UNAVAILABLE"])
                #expect(letters[0].header.reason.hasPrefix("reply undeliverable"))
                try await log.broker.wait(for: 1, in: stage.pool.deadLetterQueue)
                try await queue.retry(.all, DeadLetterPlan(replyTo: log.queue))
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
            let letters = try await stage.letters(with: broker).letters()
            #expect(letters[0].header.reason.contains("no-such-queue"))
            await broker.close()
        }
    }
}
