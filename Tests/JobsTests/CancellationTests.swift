import Broker
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
            let gate = Gate(atPass: 2)
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
    func cancellingWithoutAWorkerIsAnError(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            await #expect(throws: ClientError.self) { _ = try await client.cancel(jobID: "any") }
            await client.close()
        }
    }

    private func firstReply(_ replies: Replies<CancelReply>) async throws -> CancelReply {
        for try await reply in replies { return reply }
        throw ClientError.closed
    }
}
