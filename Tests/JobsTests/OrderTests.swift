import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2)))
struct OrderTests {
    @Test func theResultIsConfirmedBeforeTheRequestIsAcknowledged() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = OrderingBroker(stage.connectInMemory())
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer(), broker: broker) { worker in
                _ = try await client.submit(try Sample.request()).result()
                try await eventually { worker.health.jobs.isEmpty }
            }
            #expect(broker.steps == ["mandatory event", "mandatory result", "acknowledged"])
            await client.close()
        }
    }

    @Test func theDeadLetterIsConfirmedBeforeTheRequestIsAcknowledged() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = OrderingBroker(stage.connectInMemory())
            let client = try await stage.client()
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in
                throw Status(.failedPrecondition, "no face")
            })
            try await stage.withWorker(personalizer, broker: broker) { worker in
                _ = try await client.submit(try Sample.request()).result()
                try await eventually { worker.health.jobs.isEmpty }
            }
            #expect(
                broker.steps == ["mandatory result", "mandatory \(stage.pool.deadLetterExchange)", "acknowledged"])
            await client.close()
        }
    }

    @Test func theRetryIsConfirmedBeforeTheRequestIsAcknowledged() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = OrderingBroker(stage.connectInMemory())
            let client = try await stage.client()
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in
                throw Status(.unavailable, "later")
            })
            try await stage.withWorker(personalizer, broker: broker) { worker in
                _ = try await client.submit(try Sample.request())
                try await eventually { worker.health.jobs.isEmpty && worker.health.counts.retried == 1 }
            }
            #expect(broker.steps == ["mandatory \(stage.pool.retryExchange(.seconds(5)))", "acknowledged"])
            await client.close()
        }
    }

    @Test func aConnectionLostBetweenResultAndAcknowledgementRepeatsTheJobUnderItsID() async throws {
        try await Stage.play(.inMemory) { stage in
            let base = stage.connectInMemory()
            let losses = Mutex(1)
            let broker = OrderingBroker(base) {
                let isFirst = losses.withLock { left in
                    defer { left -= 1 }
                    return left > 0
                }
                if isFirst { base.loseConnection() }
            }
            var log = try await ReplyLog(on: stage)
            try await stage.withWorker(ScriptedPersonalizer(), broker: broker) { worker in
                try await log.broker.publishJob(
                    Sample.properties(jobID: "twice", replyTo: log.queue), body: try Sample.request().encode(),
                    pool: stage.pool)
                let first = try await log.nextResult()
                let second = try await log.nextResult()
                #expect(first.jobID == "twice" && second.jobID == "twice")
                #expect(first.result.picture == second.result.picture && second.result.attempt == 1)
                try await eventually { worker.health.jobs.isEmpty }
            }
            #expect(try await log.broker.depth(of: stage.pool.workQueue(.interactive)).messages == 0)
            await log.broker.close()
        }
    }

    @Test func aWorkerSurvivesALostConnection() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = stage.connectInMemory()
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer(), broker: broker) { worker in
                try await eventually { worker.health.state == .ready }
                for _ in 1...3 {
                    broker.loseConnection()
                    #expect(try await client.submit(try Sample.request()).result().status == .ok)
                }
            }
            await client.close()
        }
    }
}
