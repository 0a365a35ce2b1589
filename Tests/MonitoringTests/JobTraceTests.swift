import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
@testable import Monitoring
import RectifIDClient
import Synchronization
import Telemetry
import TelemetryTestSupport
import Testing

@Suite(.timeLimit(.minutes(2)))
struct JobTraceTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"
    private static let parent = "00-\(trace)-b7ad6b7169203331-01"

    /// Publishes a job and gives the headers of its replies.
    private func play(
        _ headers: [String: HeaderValue], on place: Workplace, results: Int = 1
    ) async throws -> [[String: HeaderValue]] {
        let broker = InMemoryBroker(node: place.node)
        let queue = try await broker.declareReplyQueue(.exclusive())
        let properties = MessageProperties(
            contentType: Wire.contentType, type: Wire.Method.personalize.rawValue, messageID: "job-1",
            correlationID: "c-1", replyTo: queue, headers: headers)
        try await broker.publish(
            OutgoingMessage(properties, body: try Workplace.request().encode()),
            exchange: Pool.standard.workExchange, routingKey: "interactive")
        var replies: [[String: HeaderValue]] = []
        var iterator = try await broker.consume(queue: queue, prefetch: 10).makeAsyncIterator()
        while let delivery = try await iterator.next() {
            try await broker.acknowledge(delivery)
            replies.append(delivery.properties.headers)
            if try PersonalizeEvent.decode(delivery.body).isFinal { break }
        }
        await broker.close()
        return replies
    }

    @Test func aJobIsASpanOfItsClientsTrace() async throws {
        try await Workplace.open { place in
            let replies = try await play(
                ["traceparent": .string(Self.parent), "tracestate": "rojo=1"], on: place)
            try await place.metrics { $0[#"rectifid_spans_total{result="written"}"#] ?? 0 > 0 }
            let spans = try place.lines.spans
            #expect(Set(spans.map(\.traceId)) == [Self.trace])
            #expect(Set(spans.map(\.spanId)).count == spans.count)
            let process = try #require(spans.first { $0.kind == 5 })
            #expect(process.name == "process rectifid.work.interactive" && process.parentSpanId == "b7ad6b7169203331")
            #expect(process["messaging.system"] == "rabbitmq" && process["messaging.operation.type"] == "process")
            #expect(process["messaging.destination.name"] == "rectifid.work:interactive:rectifid.work.interactive")
            #expect(process["messaging.message.id"] == "job-1" && process["rectifid.outcome"] == "succeeded")
            #expect(process["messaging.message.conversation_id"] == "c-1" && process["rectifid.attempt"] == "1")
            #expect(process.status.code == nil)
            let phases = spans.filter { $0.parentSpanId == process.spanId && $0.kind == 1 }
            #expect(phases.map(\.name) == ["decode", "prepare", "guidance", "encode", "settle"])
            #expect(phases.first { $0.name == "guidance" }?.events?.count == 3)
            #expect(spans.filter { $0.kind == 4 }.map(\.name) == ["send result"])
            for span in spans {
                let (start, end) = (Int64(span.startTimeUnixNano) ?? 0, Int64(span.endTimeUnixNano) ?? 0)
                #expect(start > 1_500_000_000_000_000_000 && start <= end)
                #expect(end <= Int64(process.endTimeUnixNano) ?? 0)
            }
            // Replies belong to the processing.
            #expect(replies.count == 2)
            for headers in replies {
                #expect(headers["traceparent"] == .string("00-\(Self.trace)-\(process.spanId)-01"))
                #expect(headers["tracestate"] == "rojo=1")
            }
        }
    }

    @Test(arguments: [
        "", "garbage", "00-\(String(repeating: "0", count: 32))-b7ad6b7169203331-01", parent + "0", "\n\u{0}",
    ])
    func anInvalidHeaderBeginsANewTrace(header: String) async throws {
        try await Workplace.open { place in
            let replies = try await play(["traceparent": .string(header), "tracestate": "rojo=1"], on: place)
            try await place.metrics { $0[#"rectifid_spans_total{result="written"}"#] ?? 0 > 0 }
            let process = try #require(try place.lines.spans.first { $0.kind == 5 })
            #expect(process.parentSpanId == nil && process.traceId != Self.trace)
            for headers in replies {
                let text = try #require(headers["traceparent"]?.stringValue)
                #expect(text.hasPrefix("00-\(process.traceId)-\(process.spanId)-"))
                #expect(headers["tracestate"] == nil)
            }
        }
    }

    @Test func aTraceThatIsNotSampledIsPassedOnAndNotWritten() async throws {
        try await Workplace.open { place in
            let unsampled = String(Self.parent.dropLast(2)) + "00"
            let replies = try await play(["traceparent": .string(unsampled)], on: place)
            #expect(replies.allSatisfy { $0["traceparent"] == .string(unsampled) })
            try await place.metrics {
                $0[#"rectifid_jobs_total{code="OK",lane="interactive",outcome="succeeded"}"#] == 1
            }
            #expect(try place.lines.spans.isEmpty)
        }
    }

    @Test func attemptsAndHandOversStayInOneTrace() async throws {
        let attempts = Mutex(0)
        let personalizer = InstantPersonalizer(onPass: { (_) throws(Status) in
            let attempt = attempts.withLock { count in
                count += 1
                return count
            }
            if attempt == 1 { throw Status(.unavailable, "not now") }
        })
        try await Workplace.open(personalizer) { place in
            let client = place.client
            let clock = place.clock
            async let result = client.submit(
                try Workplace.request(), headers: ["traceparent": .string(Self.parent)]
            ).result()
            try await place.metrics {
                $0[#"rectifid_jobs_total{code="UNAVAILABLE",lane="interactive",outcome="retried"}"#] == 1
            }
            clock.advance(by: .seconds(3600))
            #expect(try await result.status == .ok)
            try await place.metrics { $0[#"rectifid_spans_total{result="written"}"#] ?? 0 > 9 }
            let processes = try place.lines.spans.filter { $0.kind == 5 }
            #expect(processes.map { $0["rectifid.outcome"] } == ["retried", "succeeded"])
            #expect(processes[0].status.code == 2 && processes[0]["error.type"] == "UNAVAILABLE")
            #expect(processes.allSatisfy { $0.traceId == Self.trace })
            #expect(processes[1].parentSpanId == processes[0].spanId && processes[1]["rectifid.attempt"] == "2")
        }
    }

    @Test func aJobThatAnotherWorkerFinishesStaysInOneTrace() async throws {
        let gate = PassGate(atPass: 2)
        let personalizer = InstantPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) })
        try await Workplace.open(personalizer) { place in
            let submission = try await place.client.submit(
                try Workplace.request(iterations: 4), headers: ["traceparent": .string(Self.parent)])
            await gate.isReached()
            place.worker.drain()
            gate.open()
            try await place.metrics {
                $0[#"rectifid_jobs_total{code="OK",lane="interactive",outcome="handed_over"}"#] == 1
            }
            try await place.withSecondWorker {
                let result = try await submission.result()
                #expect(result.status == .ok && result.workerID == "worker-2")
            }
            // Written in the background; the second's processing is the last to come.
            try await eventually { try place.lines.spans.count { $0.kind == 5 } == 2 }
            let spans = try place.lines.spans
            #expect(Set(spans.map(\.traceId)) == [Self.trace])
            let processes = spans.filter { $0.kind == 5 }
            #expect(processes.map { $0["rectifid.outcome"] } == ["handed_over", "succeeded"])
            #expect(processes[0].parentSpanId == "b7ad6b7169203331")
            #expect(processes[1].parentSpanId == processes[0].spanId)
            // Being interrupted is no attempt.
            #expect(processes.allSatisfy { $0["rectifid.attempt"] == "1" && $0.status.code == nil })
            // Each pass is in the span of the worker that made it.
            let passes = processes.map { process in
                spans.first { $0.name == "guidance" && $0.parentSpanId == process.spanId }?.events?.count
            }
            #expect(passes == [3, 2])
        }
    }

    @Test func aFullBufferCostsSpansAndNoJob() async throws {
        let gate = DispatchSemaphore(value: 0)
        let options = Workplace.Options(sink: { _ in
            gate.wait()
            gate.signal()
            return true
        })
        try await Workplace.open(options: options) { place in
            for _ in 0..<20 {
                let result = try await place.client.submit(try Workplace.request()).result()
                #expect(result.status == .ok)
            }
            gate.signal()
        }
    }

    @Test func theLineOfAJobsStartSaysWhichAndWhatItIs() async throws {
        try await Workplace.open { place in
            _ = try await play([:], on: place)
            let line = try #require(place.lines.log.first { $0.contains(#""message":"started""#) })
            for part in [
                #""job":"job-1""#, #""worker":"worker-1""#, #""model":"instant""#, #""lane":"interactive""#,
                #""attempt":"1""#, #""iteration":"0""#,
            ] { #expect(line.contains(part), "\(part) in \(line)") }
        }
    }

    @Test func logLinesOfAJobNameItsTrace() async throws {
        try await Workplace.open { place in
            _ = try await play(["traceparent": .string(Self.parent)], on: place)
            try await place.metrics { $0[#"rectifid_spans_total{result="written"}"#] ?? 0 > 0 }
            let process = try #require(try place.lines.spans.first { $0.kind == 5 })
            let line = try #require(place.lines.log.first { $0.contains(#""message":"finished""#) })
            #expect(line.contains(#""job":"job-1""#) && line.contains(#""worker":"worker-1""#))
            #expect(line.contains(#""trace_id":"\#(Self.trace)""#))
            #expect(line.contains(#""span_id":"\#(process.spanId)""#))
        }
    }
}
