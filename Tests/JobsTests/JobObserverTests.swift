import Broker
import BrokerTestSupport
import Jobs
import Logging
import Messages
import RectifIDClient
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2)))
struct JobObserverTests {
    @Test func aJobIsObservedFromItsLaneToItsSettlement() async throws {
        try await Stage.play(.inMemory) { stage in
            let client = try await stage.client()
            let observer = RecordingObserver()
            try await withWorker(ScriptedPersonalizer(), observer, on: stage) {
                let submission = try await client.submit(
                    try Sample.request(iterations: 2), lane: .batch, jobID: "job-1")
                #expect(try await submission.result().status == .ok)
                try await observer.wait(forSettlements: 1)
            }
            let taken = try #require(observer.taken.first)
            #expect(taken.jobID == "job-1" && taken.lane == .batch && taken.redeliveries == 0)
            #expect(try #require(taken.wait) < .seconds(60))
            let events = observer.events
            #expect(
                events.filter { !$0.hasPrefix("published") } == [
                    "began decode", "ended decode", "began prepare", "ended prepare", "began guidance",
                    "completed 0", "completed 1", "completed 2 last", "ended guidance", "began encode", "ended encode",
                    "computed guidance", "began settle", "ended settle", "settled succeeded OK 1",
                ])
            #expect(events.filter { $0.hasPrefix("published") } == ["published event", "published result"])
            await client.close()
        }
    }

    @Test func everyWayOutIsObservedOnce() async throws {
        try await Stage.play(.inMemory) { stage in
            let client = try await stage.client()
            let observer = RecordingObserver()
            let attempts = Mutex(0)
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in
                let attempt = attempts.withLock { count in
                    count += 1
                    return count
                }
                if attempt == 1 { throw Status(.unavailable, "not now") }
            })
            try await withWorker(personalizer, observer, on: stage) {
                let retried = try await client.submit(try Sample.request(), jobID: "retried")
                try await observer.wait(forSettlements: 1)
                stage.passRetryDelay()
                #expect(try await retried.result().status == .ok)
                var wrong = try Sample.request()
                wrong.references = [Reference(picture: .image([1, 2, 3]))]
                #expect(try await client.submit(wrong, jobID: "wrong").result().status.code == .invalidArgument)
                try await observer.wait(forSettlements: 3)
            }
            #expect(
                observer.events.filter { $0.hasPrefix("settled") } == [
                    "settled retried UNAVAILABLE 1", "settled succeeded OK 2",
                    "settled failed INVALID_ARGUMENT 1 dead",
                ])
            #expect(observer.events.contains("published retry") && observer.events.contains("published dead_letter"))
            await client.close()
        }
    }

    @Test func traceHeadersOfTheObserverGoWithRepliesAndWithARequestPublishedAgain() async throws {
        try await Stage.play(.inMemory) { stage in
            var log = try await ReplyLog(on: stage)
            let observer = RecordingObserver(traceHeaders: ["traceparent": "00-ours"])
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in
                throw Status(.notFound, "no such model")
            })
            var properties = Sample.properties(jobID: "job-1", replyTo: log.queue)
            properties.headers = ["traceparent": "00-theirs", "tracestate": "theirs=1"]
            try await log.broker.publishJob(properties, body: try Sample.request().encode(), pool: stage.pool)
            try await withWorker(personalizer, observer, on: stage) {
                let delivery = try await log.nextResult().delivery
                #expect(delivery.properties.headers["traceparent"] == "00-ours")
                #expect(delivery.properties.headers["tracestate"] == nil)
                try await observer.wait(forSettlements: 1)
            }
            let letter = try #require(try await log.broker.get(queue: stage.pool.deadLetterQueue))
            #expect(letter.properties.headers["traceparent"] == "00-ours")
            #expect(letter.properties.headers["tracestate"] == nil)
            await log.broker.close()
        }
    }

    private func withWorker(
        _ personalizer: any Personalizer, _ observer: RecordingObserver, on stage: Stage,
        _ body: () async throws -> Void
    ) async throws {
        let broker = try await stage.connect()
        let worker = JobWorker(
            broker: broker, personalizer: personalizer, configuration: stage.configuration(), observer: observer,
            logger: .silent)
        let life = Task { try await worker.run() }
        defer { worker.drain() }
        try await body()
        worker.drain()
        try await life.value
        await broker.close()
    }
}

/// Writes down what it hears, of all jobs in one list.
private final class RecordingObserver: WorkerObserver, JobObserver {
    private struct Contents {
        var taken: [TakenRequest] = []
        var events: [String] = []
    }

    private let contents = Mutex(Contents())
    let traceHeaders: [String: HeaderValue]?
    let logMetadata: Logger.Metadata = [:]

    init(traceHeaders: [String: HeaderValue]? = nil) {
        self.traceHeaders = traceHeaders
    }

    var taken: [TakenRequest] { contents.withLock { $0.taken } }
    var events: [String] { contents.withLock { $0.events } }

    func wait(forSettlements count: Int) async throws {
        try await eventually { events.count { $0.hasPrefix("settled") } == count }
    }

    private func note(_ event: String) { contents.withLock { $0.events.append(event) } }

    func took(_ request: TakenRequest) -> any JobObserver {
        contents.withLock { $0.taken.append(request) }
        return self
    }

    func began(_ phase: JobPhase) { note("began \(phase.rawValue)") }
    func ended(_ phase: JobPhase) { note("ended \(phase.rawValue)") }
    func completed(_ pass: CompletedPass) { note("completed \(pass.iteration)" + (pass.isLast ? " last" : "")) }
    func computed(_ timings: [Timing]) { note("computed " + timings.map(\.phase).joined(separator: " ")) }
    func published(_ publication: Publication) {
        note("published \(publication.kind.rawValue)" + (publication.error == nil ? "" : " in vain"))
    }
    func settled(_ settlement: Settlement) {
        note(
            "settled \(settlement.outcome.rawValue) \(settlement.code.name) \(settlement.attempt)"
                + (settlement.isDeadLettered ? " dead" : ""))
    }
}
