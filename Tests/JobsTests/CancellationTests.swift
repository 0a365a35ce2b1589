import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Testing

@Suite(.timeLimit(.minutes(2)))
struct CancellationTests {
    @Test(arguments: BrokerKind.available)
    func aRunningJobStopsAtItsNextIteration(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let gate = PassGate(atPass: 2)
            let personalizer = ScriptedPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) })
            try await stage.withWorker(personalizer) { worker in
                let submission = try await client.submit(try Sample.request(), jobID: "unwanted")
                await gate.isReached()
                let reply = try await firstReply(client.cancel(jobID: "unwanted", reason: "the guest has left"))
                #expect(reply.outcome == .stopping && reply.iteration == 2)
                gate.open()
                let result = try await submission.result()
                #expect(result.status.code == .cancelled && result.status.message.contains("the guest has left"))
                try await eventually { worker.health.jobs.isEmpty }
                #expect(worker.health.counts.deadLettered == 0)
            }
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aQueuedJobIsRefusedWhenItComesAndAFinishedOneStands(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer) { worker in
                try await eventually { worker.health.state == .ready }
                #expect(try await firstReply(client.cancel(jobID: "early")).outcome == .noted)
                let result = try await client.submit(try Sample.request(), jobID: "early").result()
                #expect(result.status.code == .cancelled)
                #expect(personalizer.beginnings == 0)

                _ = try await client.submit(try Sample.request(), jobID: "done").result()
                try await eventually { worker.health.jobs.isEmpty }
                #expect(try await firstReply(client.cancel(jobID: "done")).outcome == .finished)
            }
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aWorkerThatStartsAfterACancellationRefusesTheJobs(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let unwanted = try await client.submit(try Sample.request(), jobID: "unwanted")
            // Nobody listens, and yet this holds.
            _ = try await client.cancel(jobID: "unwanted", reason: "too late")
            for index in 1...1000 { _ = try await client.cancel(jobID: "other-\(index)") }
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer) { _ in
                let result = try await unwanted.result()
                #expect(result.status.code == .cancelled && result.status.message.contains("too late"))
                #expect(
                    try await client.submit(try Sample.request(), jobID: "other-1000").result().status.code
                        == .cancelled)
                #expect(try await client.submit(try Sample.request(), jobID: "wanted").result().status == .ok)
            }
            #expect(personalizer.beginnings == 1)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aJobThatWaitsForARetryIsRefusedByAnotherWorker(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let failing = ScriptedPersonalizer(onBegin: { (_) throws(Status) in throw Status(.unavailable, "later") })
            var submission: Submission?
            try await stage.withWorker(failing, configuration: stage.configuration("first")) { worker in
                submission = try await client.submit(try Sample.request(), jobID: "retried")
                try await eventually { worker.health.counts.retried >= 1 }
                worker.drain()
            }
            _ = try await client.cancel(jobID: "retried")
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer, configuration: stage.configuration("second")) { worker in
                try await eventually { worker.health.state == .ready }
                stage.passRetryDelay()
                let result = try await submission?.result()
                #expect(result?.status.code == .cancelled && result?.attempt ?? 0 > 1)
            }
            #expect(personalizer.beginnings == 0)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aJobThatWaitsForARetryIsRefusedByItsOwnWorker(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            var configuration = stage.configuration()
            configuration.maximumAttempts = 100_000
            let failing = ScriptedPersonalizer(onBegin: { (_) throws(Status) in throw Status(.unavailable, "later") })
            try await stage.withWorker(failing, configuration: configuration) { worker in
                let submission = try await client.submit(try Sample.request(), jobID: "retried")
                try await eventually { worker.health.counts.retried >= 1 && worker.health.jobs.isEmpty }
                #expect(try await firstReply(client.cancel(jobID: "retried")).outcome != .finished)
                stage.passRetryDelay()
                let result = try await submission.result()
                #expect(result.status.code == .cancelled)
            }
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aJobThatWasHandedOverIsRefusedByAnotherWorker(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let gate = PassGate(atPass: 1)
            let gated = ScriptedPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) })
            var submission: Submission?
            try await stage.withWorker(gated, configuration: stage.configuration("first")) { worker in
                submission = try await client.submit(try Sample.request(), jobID: "handed-over")
                await gate.isReached()
                worker.drain()
                gate.open()
                try await eventually { worker.health.counts.handedOver == 1 }
            }
            _ = try await client.cancel(jobID: "handed-over")
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer, configuration: stage.configuration("second")) { _ in
                let result = try await submission?.result()
                #expect(result?.status.code == .cancelled)
            }
            #expect(personalizer.beginnings == 0)
            await client.close()
        }
    }

    /// Queues declared by a version that kept no cancellations, and a worker that may not declare.
    @Test(arguments: BrokerKind.available)
    func aPoolWithoutTheStreamCancelsWhatItsWorkersHearOf(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            var topology = stage.pool.topology
            topology.exchanges.removeAll { $0.name == stage.pool.cancelExchange }
            topology.queues.removeAll { $0.name == stage.pool.cancellationStream }
            topology.bindings.removeAll { $0.exchange == stage.pool.cancelExchange }
            try await broker.declare(topology)
            let client = try await PersonalizationClient.connect(to: broker, pool: stage.pool)
            var configuration = stage.configuration()
            configuration.declaresTopology = false
            try await stage.withWorker(ScriptedPersonalizer(), configuration: configuration) { worker in
                try await eventually { worker.health.state == .ready }
                #expect(try await firstReply(client.cancel(jobID: "early")).outcome == .noted)
                #expect(
                    try await client.submit(try Sample.request(), jobID: "early").result().status.code == .cancelled)
            }
            await client.close()
            await broker.close()
        }
    }

    private func firstReply(_ replies: Replies<CancelReply>) async throws -> CancelReply {
        for try await reply in replies { return reply }
        throw ClientError.closed
    }
}
