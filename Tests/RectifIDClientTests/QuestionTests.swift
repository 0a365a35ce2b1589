import BrokerTestSupport
import RectifIDClient
import Testing

/// Cancel and describe.
@Suite(.timeLimit(.minutes(1)))
struct QuestionTests {
    @Test(arguments: BrokerKind.available)
    func workersAnswerACancellation(kind: BrokerKind) async throws {
        try await ClientStage.play(kind) { stage, responder in
            let client = try await stage.client()
            var questions = try await responder.questions().makeAsyncIterator()
            var answers = try await client.cancel(jobID: "job-1", reason: "no longer wanted").makeAsyncIterator()
            let question = try #require(try await questions.next())
            #expect(
                try CancelRequest.decode(question.body) == CancelRequest(jobID: "job-1", reason: "no longer wanted"))
            for outcome in [CancelOutcome.noted, .stopping] {
                let reply = CancelReply(jobID: "job-1", outcome: outcome, workerID: "w")
                try await responder.reply(reply.encode(), type: CancelReply.typeName, to: question)
            }
            #expect(try await answers.next()?.outcome == .noted)
            #expect(try await answers.next()?.outcome == .stopping)
            await client.close()
            await #expect(throws: ClientError.closed) { _ = try await answers.next() }
        }
    }

    @Test(arguments: BrokerKind.available)
    func listeningForAnswersEndsInTime(kind: BrokerKind) async throws {
        try await ClientStage.play(kind) { stage, responder in
            let clock = ManualClock()
            var configuration = ClientConfiguration()
            configuration.clock = clock
            let client = try await stage.client(configuration)
            var questions = try await responder.questions().makeAsyncIterator()
            let answers = try await client.describeWorkers(id: "w", within: .seconds(2))
            let question = try #require(try await questions.next())
            #expect(try DescribeRequest.decode(question.body).workerID == "w")
            let reply = DescribeReply(
                workerID: "w", version: "1", state: .ready, device: "CPU", slots: 1, jobs: [], models: [], subjects: [],
                uptimeSeconds: 1, jobsSucceeded: 0, jobsFailed: 0, maximumRequestBytes: 1)
            try await responder.reply(reply.encode(), type: DescribeReply.typeName, to: question)
            var iterator = answers.makeAsyncIterator()
            #expect(try await iterator.next() == reply)
            let watch = Task {
                while !Task.isCancelled {
                    clock.advance(by: .milliseconds(100))
                    await Task.yield()
                }
            }
            #expect(try await iterator.next() == nil)
            watch.cancel()
            await client.close()
        }
    }

    @Test func aQuestionThatNoWorkerHearsIsAnError() async throws {
        try await ClientStage.play(.inMemory) { stage, _ in
            let client = try await stage.client()
            let error = await #expect(throws: ClientError.self) { _ = try await client.describeWorkers() }
            #expect(error?.code == .unavailable)
            await #expect(throws: ClientError.self) { _ = try await client.cancel(jobID: "two words") }
            await client.close()
        }
    }
}
