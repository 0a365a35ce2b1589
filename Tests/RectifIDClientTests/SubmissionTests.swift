@testable import Broker
import BrokerTestSupport
import RectifIDClient
import Testing

/// What goes out with a job, and which of its events come back.
@Suite(.timeLimit(.minutes(1)))
struct SubmissionTests {
    @Test(arguments: BrokerKind.available)
    func aRequestCarriesItsIdDeadlineAndTrace(kind: BrokerKind) async throws {
        let trace = try #require(
            TraceContext(
                traceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", traceState: "vendor=1"))
        try await ClientStage.play(kind) { stage, responder in
            let client = try await stage.client()
            let deadline: UnixMilliseconds = 32_503_680_000_000
            _ = try await client.submit(
                ClientStage.request, deadline: deadline, jobID: "job-1", trace: trace, headers: ["tenant": "a"])
            let properties = try await responder.next().properties
            #expect(properties.messageID == "job-1" && properties.replyTo == client.replyQueue)
            #expect(properties.type == Wire.Method.personalize.rawValue && properties.isPersistent)
            #expect(properties.contentType == Wire.contentType)
            #expect(properties.correlationID != nil && properties.correlationID != "job-1")
            #expect(properties.headers["rectifid-deadline"] == .int64(deadline))
            #expect(properties.headers["traceparent"] == .string(trace.traceParent))
            #expect(properties.headers["tracestate"] == "vendor=1" && properties.headers["tenant"] == "a")
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func copiesOfAnEventAreLeftOutAndLaterOnesStand(kind: BrokerKind) async throws {
        try await ClientStage.play(kind) { stage, responder in
            let client = try await stage.client()
            let submission = try await client.submit(ClientStage.request)
            let request = try await responder.next()
            // A worker whose confirms get lost, which then dies; another, on another kind of processor, begins again.
            let sent: [(PersonalizeEvent.Body, UInt64)] = [
                (.accepted(by: "a"), 0), (.accepted(by: "a"), 0), (.progress(1), 1), (.progress(2), 2),
                (.progress(1), 1), (.progress(2), 2), (.accepted(by: "b"), 0), (.progress(1), 1),
                (.progress(2, loss: 51), 2), (.picture(), 3), (.picture(), 3),
            ]
            for (body, number) in sent { try await responder.reply(body, number: number, to: request) }
            var received: [PersonalizeEvent.Body] = []
            for try await event in submission { received.append(event.body) }
            let expected: [PersonalizeEvent.Body] = [
                .accepted(by: "a"), .progress(1), .progress(2), .accepted(by: "b"), .progress(2, loss: 51), .picture(),
            ]
            // The second worker's first progress is the first one's to the bit: no news, and so left out.
            #expect(received == expected)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func theSameJobSentTwiceAnswersBothSenders(kind: BrokerKind) async throws {
        try await ClientStage.play(kind) { stage, responder in
            let client = try await stage.client()
            let first = try await client.submit(ClientStage.request, jobID: "again")
            let second = try await client.submit(ClientStage.request, jobID: "again")
            for worker in ["a", "b"] {
                let request = try await responder.next()
                #expect(request.properties.messageID == "again")
                try await responder.reply(.accepted(by: worker), number: 0, to: request)
                try await responder.reply(.picture(), number: 1, to: request)
            }
            #expect(try await first.result().status == .ok)
            #expect(try await second.result().status == .ok)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func whatArrivesWhileTheConnectionIsLostIsNotLost(kind: BrokerKind) async throws {
        try await ClientStage.play(kind) { stage, responder in
            let broker = try await stage.connect()
            let client = try await PersonalizationClient.connect(to: broker, pool: stage.pool)
            let submission = try await client.submit(ClientStage.request)
            let request = try await responder.next()
            try await responder.reply(.accepted(by: "a"), number: 0, to: request)
            switch broker {
            case let broker as RabbitMQBroker: broker.loseConnection()
            case let broker as InMemoryBroker: broker.loseConnection()
            default: Issue.record("a broker of another kind")
            }
            try await responder.reply(.picture(), number: 1, to: request)
            #expect(try await submission.result().status == .ok)
            await client.close()
        }
    }

    @Test func anAnswerThatIsNoneEndsTheSubmission() async throws {
        try await ClientStage.play(.inMemory) { stage, responder in
            let client = try await stage.client()
            let submission = try await client.submit(ClientStage.request)
            try await responder.reply([0xFF, 0xFF], type: "", to: try await responder.next())
            let error = await #expect(throws: ClientError.self) { _ = try await submission.result() }
            #expect(error?.code == .internal && error?.isRetryable == false)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func closingEndsWhatIsUnderWayAndRemovesTheReplyQueue(kind: BrokerKind) async throws {
        try await ClientStage.play(kind) { stage, responder in
            let client = try await stage.client()
            let submission = try await client.submit(ClientStage.request)
            await client.close()
            await #expect(throws: ClientError.closed) { _ = try await submission.result() }
            await #expect(throws: ClientError.closed) { _ = try await client.submit(ClientStage.request) }
            await #expect(throws: BrokerError.self) { _ = try await responder.broker.depth(of: client.replyQueue) }
        }
    }

    @Test func aRequestAboveWhatMessagesMayHoldIsNotSent() async throws {
        try await ClientStage.play(.inMemory) { stage, responder in
            let client = try await stage.client()
            var request = ClientStage.request
            request.references = [Reference(picture: .image([UInt8](repeating: 1, count: 16 << 20)))]
            let error = await #expect(throws: ClientError.self) { _ = try await client.submit(request) }
            #expect(error?.code == .invalidArgument && error?.message.contains("shared store") == true)
            #expect(try await responder.broker.depth(of: stage.pool.workQueue(.interactive)).messages == 0)
            await client.close()
        }
    }

    @Test(arguments: [
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later",
    ])
    func aTraceParentOfTheRecommendationIsTaken(text: String) {
        #expect(TraceContext(traceParent: text)?.traceParent == text)
    }

    @Test(arguments: [
        "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ])
    func anythingElseIsNoTraceParent(text: String) {
        #expect(TraceContext(traceParent: text) == nil)
    }
}
