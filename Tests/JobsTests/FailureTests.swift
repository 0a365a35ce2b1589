import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2)))
struct FailureTests {
    /// Failures that are the client's, and their codes.
    @Test(
        arguments: BrokerKind.available,
        [StatusCode.failedPrecondition, .notFound, .invalidArgument, .unimplemented])
    func aPermanentFailureIsAnsweredAtTheFirstAttemptAndExplainedByItsDeadLetter(
        kind: BrokerKind, code: StatusCode
    ) async throws {
        try await Stage.play(kind) { stage in
            var log = try await ReplyLog(on: stage)
            let refusal = Status(code, "no face in references[0]; use a picture of a face from the front")
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in throw refusal })
            var configuration = stage.configuration()
            configuration.wallTime = WallTime { 1_700_000_000_123 }
            try await stage.withWorker(personalizer, configuration: configuration) { worker in
                var properties = Sample.properties(jobID: "faceless", replyTo: log.queue)
                properties.headers["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                let body = try Sample.request().encode()
                try await log.broker.publishJob(properties, body: body, pool: stage.pool, lane: .batch)
                let (_, result, reply) = try await log.nextResult()
                #expect(result.status == refusal && result.attempt == 1)
                #expect(reply.properties.headers["traceparent"] == properties.headers["traceparent"])

                try await log.broker.wait(for: 1, in: stage.pool.deadLetterQueue)
                let letters = DeadLetterQueue(broker: log.broker, pool: stage.pool)
                guard let (letter, kept) = try await letters.letter(ofJob: "faceless") else {
                    throw BrokerError.notFound("the letter")
                }
                #expect(letter.header.code == code.name && letter.header.reason == refusal.message)
                #expect(letter.header.attempts == 1 && letter.header.worker == configuration.workerID)
                #expect(letter.header.firstTime == 1_700_000_000_123 && letter.header.lastTime == 1_700_000_000_123)
                #expect(letter.lane == .batch && kept.bytes == body)
                #expect(letter.properties.headers["traceparent"] == properties.headers["traceparent"])
                try await eventually { worker.health.counts.deadLettered == 1 }
            }
            #expect(personalizer.beginnings == 1)
            await log.broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aFailureThatMayPassIsRetriedAndThenBecomesADeadLetter(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            var log = try await ReplyLog(on: stage)
            let time = Mutex<UnixMilliseconds>(1000)
            let personalizer = ScriptedPersonalizer(onPass: { (pass) throws(Status) in
                time.withLock { $0 += 500 }
                if pass == 2 { throw Status(.resourceExhausted, "out of memory") }
            })
            var configuration = stage.configuration()
            configuration.maximumAttempts = 3
            configuration.wallTime = WallTime { time.withLock { $0 } }
            try await stage.withWorker(personalizer, configuration: configuration) { worker in
                try await log.broker.publishJob(
                    Sample.properties(jobID: "hungry", replyTo: log.queue), body: try Sample.request().encode(),
                    pool: stage.pool)
                for attempt in 1...3 {
                    let (event, _) = try await log.next()
                    guard case .accepted(let accepted) = event.body else { throw Unexpected(event) }
                    #expect(accepted.attempt == attempt)
                    // Numbers keep rising over attempts.
                    #expect(event.sequence == UInt64(attempt - 1))
                    guard attempt < 3 else { break }
                    try await eventually { worker.health.counts.retried == UInt64(attempt) }
                    stage.passRetryDelay()
                }
                let (_, result, _) = try await log.nextResult()
                #expect(result.status == Status(.resourceExhausted, "out of memory") && result.attempt == 3)
                try await log.broker.wait(for: 1, in: stage.pool.deadLetterQueue)
                let letters = try await DeadLetterQueue(broker: log.broker, pool: stage.pool).letters()
                #expect(letters.map(\.header.attempts) == [3])
                #expect(letters.map(\.header.code) == ["RESOURCE_EXHAUSTED"])
                // Three passes of half a second each before the first failure, nine before the last.
                #expect(letters[0].header.firstTime == 2500 && letters[0].header.lastTime == 5500)
            }
            #expect(personalizer.beginnings == 3)
            await log.broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aRetryThatSucceedsLeavesNoDeadLetter(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let failures = Mutex(1)
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in
                let fails = failures.withLock { left in
                    defer { left -= 1 }
                    return left > 0
                }
                if fails { throw Status(.unavailable, "the weights are on their way") }
            })
            try await stage.withWorker(personalizer) { worker in
                let submission = try await client.submit(try Sample.request())
                try await eventually { worker.health.counts.retried == 1 }
                stage.passRetryDelay()
                let result = try await submission.result()
                #expect(result.status == .ok && result.attempt == 2)
            }
            await client.close()
            let broker = try await stage.connect()
            #expect(try await broker.depth(of: stage.pool.deadLetterQueue).messages == 0)
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aJobThatKillsItsWorkersIsTakenOutAndAnswered(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            var log = try await ReplyLog(on: stage)
            try await log.broker.publishJob(
                Sample.properties(jobID: "poison", replyTo: log.queue), body: try Sample.request().encode(),
                pool: stage.pool)
            for _ in 1...3 {
                // A worker that takes the job and dies.
                let victim = try await stage.connect()
                try await eventually { try await victim.get(queue: stage.pool.workQueue(.interactive)) != nil }
                await victim.close()
            }
            var configuration = stage.configuration()
            configuration.maximumRedeliveries = 2
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer, configuration: configuration) { _ in
                let (_, result, _) = try await log.nextResult()
                #expect(result.status.code == .internal)
                #expect(result.status.details == [.errorInfo(reason: "REDELIVERED_TOO_OFTEN")])
                try await log.broker.wait(for: 1, in: stage.pool.deadLetterQueue)
            }
            #expect(personalizer.beginnings == 0)
            await log.broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aJobWhoseDeadlineHasPassedIsNotComputed(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            var configuration = stage.configuration()
            configuration.wallTime = WallTime { 5000 }
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer, configuration: configuration) { _ in
                let late = try await client.submit(try Sample.request(), deadline: 5000).result()
                #expect(late.status.code == .deadlineExceeded && !late.status.isRetryable)
                let early = try await client.submit(try Sample.request(), deadline: 5001).result()
                #expect(early.status == .ok)
            }
            #expect(personalizer.beginnings == 1)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aDeadlineEndsAJobBetweenItsIterations(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let time = Mutex<UnixMilliseconds>(0)
            let passes = Mutex(0)
            let personalizer = ScriptedPersonalizer(onPass: { (_) throws(Status) in
                time.withLock { $0 += 1000 }
                passes.withLock { $0 += 1 }
            })
            var configuration = stage.configuration()
            configuration.wallTime = WallTime { time.withLock { $0 } }
            try await stage.withWorker(personalizer, configuration: configuration) { _ in
                let result = try await client.submit(try Sample.request(iterations: 9), deadline: 3000).result()
                #expect(result.status.code == .deadlineExceeded)
            }
            #expect(passes.withLock { $0 } == 3)
            await client.close()
        }
    }

    @Test func aRetryThatWouldComeAfterTheDeadlineIsAnsweredInstead() async throws {
        try await Stage.play(.inMemory) { stage in
            let client = try await stage.client()
            var configuration = stage.configuration()
            configuration.wallTime = WallTime { 0 }
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in
                throw Status(.unavailable, "try later")
            })
            try await stage.withWorker(personalizer, configuration: configuration) { _ in
                let result = try await client.submit(try Sample.request(), deadline: 4000).result()
                #expect(result.status.code == .deadlineExceeded)
                #expect(result.status.message.contains("try later"))
            }
            await client.close()
        }
    }
}
