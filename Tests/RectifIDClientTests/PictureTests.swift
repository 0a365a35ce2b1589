import BrokerTestSupport
import RectifIDClient
import Synchronization
import Testing

/// `personalize`: one call, one picture or one error.
@Suite(.timeLimit(.minutes(1)))
struct PictureTests {
    @Test(arguments: BrokerKind.available)
    func aPictureComesWithItsProgress(kind: BrokerKind) async throws {
        try await ClientStage.play(kind) { stage, responder in
            let client = try await stage.client()
            let seen = Mutex<[Int]>([])
            async let answer = client.personalize(
                ClientStage.request, lane: .batch, jobID: "job-1",
                progress: { update in
                    seen.withLock { $0.append(update.iteration) }
                })
            let request = try await responder.next(in: .batch)
            #expect(try PersonalizeRequest.decode(request.body) == ClientStage.request)
            try await responder.reply(.accepted(by: "w"), number: 0, to: request)
            try await responder.reply(.progress(1), number: 1, to: request)
            try await responder.reply(.progress(2), number: 2, to: request)
            try await responder.reply(.picture(), number: 3, to: request)
            let picture = try await answer
            #expect(picture.bytes == [1, 2, 3] && picture.format == .jpeg && picture.jobID == "job-1")
            #expect(picture.width == 64 && picture.height == 32 && picture.result.workerID == "w")
            #expect(seen.withLock { $0 } == [1, 2])
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aJobThatEndsWithoutAPictureThrowsItsStatus(kind: BrokerKind) async throws {
        let status = Status(
            .invalidArgument, "references[0].image is not a picture",
            details: [.fieldViolation(field: "references[0].image", problem: "is no picture", allowed: "JPEG or PNG")])
        try await ClientStage.play(kind) { stage, responder in
            let client = try await stage.client()
            async let answer = client.personalize(ClientStage.request, jobID: "job-1")
            try await responder.reply(.failure(status), number: 0, to: try await responder.next())
            do {
                _ = try await answer
                Issue.record("a picture of nothing")
            } catch let error as ClientError {
                #expect(error == .failed(status, jobID: "job-1"))
                #expect(error.code == .invalidArgument && error.message == status.message)
                #expect(error.details == status.details && !error.isRetryable)
            }
            await client.close()
        }
    }

    @Test func aPictureInTheSharedStoreIsFetched() async throws {
        try await ClientStage.play(.inMemory) { stage, responder in
            var configuration = ClientConfiguration()
            configuration.fetchPicture = { key in
                guard key == "results/job-1.png" else { throw Unreachable() }
                return [9, 9]
            }
            let client = try await stage.client(configuration)
            for (key, expected) in [("results/job-1.png", true), ("results/other.png", false)] {
                let answer = Task { () throws(ClientError) in try await client.personalize(ClientStage.request) }
                try await responder.reply(.picture(.key(key)), number: 0, to: try await responder.next())
                if expected {
                    #expect(try await answer.value.bytes == [9, 9])
                } else {
                    let error = await #expect(throws: ClientError.self) { _ = try await answer.value }
                    #expect(error == .notFetched(key: key, reason: "the store is away") && error?.code == .unavailable)
                }
            }
            await client.close()
        }
    }

    @Test func aPictureInAStoreThatTheClientDoesNotKnowIsAnErrorWithItsKey() async throws {
        try await ClientStage.play(.inMemory) { stage, responder in
            let client = try await stage.client()
            let answer = Task { () throws(ClientError) in try await client.personalize(ClientStage.request) }
            try await responder.reply(.picture(.key("k")), number: 0, to: try await responder.next())
            let error = await #expect(throws: ClientError.self) { _ = try await answer.value }
            #expect(error?.details == [.resourceInfo(type: "key", name: "k")])
            #expect(error?.message.contains("fetchPicture") == true)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func cancellingTheTaskCancelsTheJob(kind: BrokerKind) async throws {
        try await ClientStage.play(kind) { stage, responder in
            let client = try await stage.client()
            let questions = try await responder.questions()
            let task = Task { () throws(ClientError) in
                try await client.personalize(ClientStage.request, jobID: "unwanted")
            }
            let request = try await responder.next()
            try await responder.reply(.accepted(by: "w"), number: 0, to: request)
            task.cancel()
            await #expect(throws: ClientError.cancelled) { try await task.value }
            var iterator = questions.makeAsyncIterator()
            let question = try #require(try await iterator.next())
            #expect(question.properties.type == Wire.Method.cancel.rawValue)
            #expect(try CancelRequest.decode(question.body).jobID == "unwanted")
            await client.close()
        }
    }

    private struct Unreachable: Error, CustomStringConvertible {
        var description: String { "the store is away" }
    }
}
