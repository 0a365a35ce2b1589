import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2)))
struct RetryTests {
    @Test(arguments: [0, 0.25, 1])
    func aRetryComesInTheSecondHalfOfItsDelay(jitter: Double) async throws {
        try await Stage.play(.inMemory) { stage in
            let client = try await stage.client()
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in
                throw Status(.unavailable, "later")
            })
            var configuration = stage.configuration()
            configuration.retryJitter = { jitter }
            try await stage.withWorker(personalizer, configuration: configuration) { worker in
                _ = try await client.submit(try Sample.request())
                try await eventually { worker.health.counts.retried == 1 }
                stage.clock.advance(by: .milliseconds(2499 + Int(2500 * jitter)))
                let probe = try await stage.connect()
                #expect(try await probe.depth(of: stage.pool.retryExchange(.seconds(5))).messages == 1)
                stage.clock.advance(by: .milliseconds(1))
                try await eventually { worker.health.counts.retried == 2 }
                await probe.close()
            }
            await client.close()
        }
    }

    /// A message waits for the one before it, and no longer than its queue's own delay.
    @Test(arguments: BrokerKind.available)
    func retriesBehindALongerOneComeWithinTheirQueuesDelay(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let jitters = Mutex([1, 0.1, 0.9, 0])
            let attempts = Mutex(0)
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in
                let attempt = attempts.withLock { count in
                    count += 1
                    return count
                }
                if attempt <= 4 { throw Status(.unavailable, "later") }
            })
            var configuration = stage.configuration()
            configuration.retryJitter = { jitters.withLock { $0.isEmpty ? 0.5 : $0.removeFirst() } }
            try await stage.withWorker(personalizer, configuration: configuration) { worker in
                var submissions: [Submission] = []
                for _ in 0..<4 { submissions.append(try await client.submit(try Sample.request())) }
                try await eventually { worker.health.counts.retried == 4 }
                if kind == .inMemory { stage.clock.advance(by: .seconds(5)) }
                for submission in submissions {
                    let result = try await submission.result()
                    #expect(result.status == .ok && result.attempt == 2)
                }
            }
            await client.close()
        }
    }

    @Test func aFailureThatSaysWhenToComeBackWaitsThatLong() async throws {
        try await Stage.play(.inMemory) { stage in
            let client = try await stage.client()
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in
                throw Status(.unavailable, "the store is busy", details: [.retryInfo(delayMilliseconds: 10_000)])
            })
            try await stage.withWorker(personalizer) { worker in
                _ = try await client.submit(try Sample.request())
                try await eventually { worker.health.counts.retried == 1 }
                let probe = try await stage.connect()
                #expect(try await probe.depth(of: stage.pool.retryExchange(.seconds(30))).messages == 1)
                await probe.close()
            }
            await client.close()
        }
        let pool = Pool.standard
        #expect(pool.retryDelay(afterAttempt: 1, atLeast: .seconds(3)) == .seconds(30))
        #expect(pool.retryDelay(afterAttempt: 3, atLeast: .seconds(3)) == .seconds(120))
        #expect(pool.retryDelay(afterAttempt: 1, atLeast: .seconds(86_400)) == .seconds(600))
    }

    /// Queued jobs whose time is over are answered as they are reached, also those that wait for others.
    @Test(arguments: BrokerKind.available)
    func aJobIsNotTakenUpAfterItsDeadline(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let time = Mutex<UnixMilliseconds>(1000)
            var configuration = stage.configuration()
            configuration.wallTime = WallTime { time.withLock { $0 } }
            let gate = PassGate(atPass: 0)
            let personalizer = ScriptedPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) })
            try await stage.withWorker(personalizer, configuration: configuration) { _ in
                let running = try await client.submit(try Sample.request())
                await gate.isReached()
                let far = UnixMilliseconds(1) << 50
                var late: [Submission] = []
                for _ in 0..<3 { late.append(try await client.submit(try Sample.request(), deadline: far)) }
                time.withLock { $0 = far }
                gate.open()
                #expect(try await running.result().status == .ok)
                for submission in late {
                    let status = try await submission.result().status
                    #expect(status.code == .deadlineExceeded && !status.isRetryable)
                }
            }
            #expect(personalizer.beginnings == 1)
            await client.close()
        }
    }
}
