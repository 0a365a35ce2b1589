import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Testing

/// A message that no client of the contract would send.
struct HostileMessage: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// What the answer's message must contain.
    let complaint: String
    var isAnswered = true
    let spoil: @Sendable (inout MessageProperties, inout [UInt8]) -> Void

    static let all = [
        HostileMessage(testDescription: "garbage bytes", complaint: "PersonalizeRequest") {
            $1 = (0..<999).map { UInt8(truncatingIfNeeded: $0 &* 37) | 0x80 }
        },
        HostileMessage(testDescription: "an empty body", complaint: "references") { $1 = [] },
        HostileMessage(testDescription: "a body above the limit", complaint: "bytes") {
            $1 += [UInt8](repeating: 0, count: 70_000)
        },
        HostileMessage(testDescription: "another method", complaint: "type") { message, _ in
            message.type = "rectifid.v1.Personalization/Destroy"
        },
        HostileMessage(testDescription: "another content type", complaint: "content_type") { message, _ in
            message.contentType = "application/json"
        },
        HostileMessage(testDescription: "a compressed body", complaint: "content_encoding") { message, _ in
            message.contentEncoding = "gzip"
        },
        HostileMessage(testDescription: "no job id", complaint: "message_id") { message, _ in message.messageID = nil },
        HostileMessage(testDescription: "a job id with a newline", complaint: "message_id") { message, _ in
            message.messageID = "job\nERROR forged log line"
        },
        HostileMessage(testDescription: "no reply queue", complaint: "reply_to", isAnswered: false) { message, _ in
            message.replyTo = nil
        },
        HostileMessage(testDescription: "a deadline that is text", complaint: "rectifid-deadline") { message, _ in
            message.headers["rectifid-deadline"] = "tomorrow"
        },
        HostileMessage(testDescription: "a negative attempt", complaint: "rectifid-attempt") { message, _ in
            message.headers["rectifid-attempt"] = -1
        },
        HostileMessage(testDescription: "long headers", complaint: "rectifid-deadline") { message, _ in
            message.headers["rectifid-deadline"] = "never"
            message.headers["filler"] = .string(String(repeating: "x", count: 100_000))
        },
    ]
}

@Suite(.timeLimit(.minutes(2)))
struct HostileMessageTests {
    @Test(arguments: BrokerKind.available, HostileMessage.all)
    func aHostileMessageIsAnsweredAndKeptAndTheNextJobRuns(kind: BrokerKind, hostile: HostileMessage) async throws {
        try await Stage.play(kind) { stage in
            var log = try await ReplyLog(on: stage)
            var configuration = stage.configuration()
            configuration.messageLimits = MessageLimits(maximumBytes: 65_536)
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer, configuration: configuration) { _ in
                let good = try Sample.request().encode()
                var properties = Sample.properties(jobID: "bad", replyTo: log.queue)
                var body = good
                hostile.spoil(&properties, &body)
                try await log.broker.publishJob(properties, body: body, pool: stage.pool)
                if hostile.isAnswered {
                    let (_, result, delivery) = try await log.nextResult()
                    #expect(result.status.code == .invalidArgument && !result.status.isRetryable)
                    #expect(result.status.message.contains(hostile.complaint), "\(result.status)")
                    #expect(delivery.properties.correlationID == "c-bad")
                }
                try await log.broker.wait(for: 1, in: stage.pool.deadLetterQueue)
                let letters = try await DeadLetterQueue(broker: log.broker, pool: stage.pool).letters()
                #expect(letters.map(\.header.code) == ["INVALID_ARGUMENT"])
                #expect(letters[0].header.reason.contains(hostile.complaint))
                #expect(letters[0].size == body.count)

                try await log.broker.publishJob(
                    Sample.properties(jobID: "good", replyTo: log.queue), body: good, pool: stage.pool)
                #expect(try await log.nextResult().result.status == .ok)
            }
            #expect(personalizer.beginnings == 1)
            await log.broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aBodyThatTheConnectionDoesNotTakeIsAnsweredAndMovedByTheBroker(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            // The in-memory broker does not simulate omitted bodies.
            guard kind == .rabbitMQ else { return }
            var log = try await ReplyLog(on: stage)
            let broker = try await stage.connect(maximumBodySize: 50_000)
            try await stage.withWorker(ScriptedPersonalizer(), broker: broker) { _ in
                try await log.broker.publishJob(
                    Sample.properties(jobID: "huge", replyTo: log.queue), body: [UInt8](repeating: 1, count: 60_000),
                    pool: stage.pool)
                let (jobID, result, _) = try await log.nextResult()
                #expect(jobID == "huge" && result.status.code == .invalidArgument)
                #expect(result.status.message.contains("60000"))
                try await log.broker.wait(for: 1, in: stage.pool.deadLetterQueue)
                let letters = try await DeadLetterQueue(broker: log.broker, pool: stage.pool).letters()
                #expect(letters.map(\.header.code) == ["REJECTED"] && letters[0].size == 60_000)
            }
            await log.broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func anUnreadablePictureIsAnsweredAtOnceAndBecomesADeadLetter(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer) { _ in
                var request = try Sample.request()
                request.references.append(Reference(picture: .image([0xFF, 0xD8, 0xFF, 0x00, 0x01])))
                let result = try await client.submit(request).result()
                #expect(result.status.code == .invalidArgument && result.picture == nil)
                guard case .fieldViolation(let field, _, _)? = result.status.details.first else {
                    throw BrokerError.invalid("no details in \(result.status)")
                }
                #expect(field == "references[1].image")
                let broker = try await stage.connect()
                try await broker.wait(for: 1, in: stage.pool.deadLetterQueue)
                await broker.close()
            }
            #expect(personalizer.beginnings == 0)
            await client.close()
        }
    }

    @Test func whatAClientCannotMeanIsRefusedBeforeItIsSent() async throws {
        try await Stage.play(.inMemory) { stage in
            let client = try await stage.client()
            var request = try Sample.request()
            request.steps = 101
            await #expect(throws: ClientError.self) { try await client.submit(request) }
            await #expect(throws: ClientError.invalidJobID("two words")) {
                try await client.submit(try Sample.request(), jobID: "two words")
            }
            await client.close()
            await #expect(throws: ClientError.closed) { try await client.submit(try Sample.request()) }
        }
    }
}
