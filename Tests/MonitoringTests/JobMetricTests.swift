import Broker
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
struct JobMetricTests {
    @Test func jobsAreCountedMeasuredAndTimed() async throws {
        try await Workplace.open { place in
            let before = try place.metrics()
            #expect(before[#"rectifid_jobs_total{code="OK",lane="batch",outcome="succeeded"}"#] == 0)
            for _ in 0..<3 {
                #expect(try await place.client.submit(try Workplace.request(), lane: .batch).result().status == .ok)
            }
            var wrong = try Workplace.request()
            wrong.references = [Reference(picture: .image([1, 2, 3]))]
            _ = try await place.client.submit(wrong).result()
            let read = try await place.metrics {
                $0[#"rectifid_jobs_dead_lettered_total{code="INVALID_ARGUMENT",lane="interactive"}"#] == 1
            }
            let ok = #"rectifid_jobs_total{code="OK",lane="batch",outcome="succeeded"}"#
            #expect(read[ok] == 3)
            #expect(read[#"rectifid_jobs_taken_total{lane="batch"}"#] == 3)
            #expect(read[#"rectifid_jobs_total{code="INVALID_ARGUMENT",lane="interactive",outcome="failed"}"#] == 1)
            #expect(read[#"rectifid_job_queue_wait_seconds_count{lane="batch"}"#] == 3)
            #expect(read[#"rectifid_job_duration_seconds_count{lane="batch",outcome="succeeded"}"#] == 3)
            for phase in ["prepare", "guidance", "encode"] {
                #expect(read[#"rectifid_job_phase_seconds_count{phase="\#(phase)"}"#] == 3)
            }
            for phase in ["decode", "settle"] {
                #expect(read[#"rectifid_job_phase_seconds_count{phase="\#(phase)"}"#] == 4)
            }
            #expect(read["rectifid_iterations_total"] == 9 && read["rectifid_iteration_seconds_count"] == 9)
            #expect(read[#"rectifid_sampler_seconds_total{phase="network"}"#] == 4.5)
            #expect(read["rectifid_job_similarity_gain_sum"] == 1.5 && read["rectifid_job_similarity_gain_count"] == 3)
            #expect(read[#"rectifid_job_similarity_sum{when="after"}"#] == 3 * 0.625)
            #expect(read[#"rectifid_publish_seconds_count{kind="result"}"#] == 4)
            #expect(read[#"rectifid_publish_seconds_count{kind="dead_letter"}"#] == 1)
            #expect(read["rectifid_job_attempts_count"] == 4)
            #expect(read[#"rectifid_build_info{version="1.2.3",worker="worker-1"}"#] == 1)
            #expect((read["process_resident_memory_bytes"] ?? 0) > 1e6)
        }
    }

    @Test func whatComesWithMessagesMakesNoSeries() async throws {
        try await Workplace.open { place in
            let publisher = InMemoryBroker(node: place.node)
            _ = try await place.client.submit(try Workplace.request()).result()
            try await place.metrics { $0[#"rectifid_jobs_taken_total{lane="interactive"}"#] == 1 }
            func series() throws -> Set<String> {
                // Which codes and kinds there are depends on what happens, their number is bounded.
                Set(try place.metrics().samples.keys.filter { !$0.contains("code=") && !$0.contains("kind=") })
            }
            let known = try series()
            for index in 0..<50 {
                let properties = MessageProperties(
                    contentType: "text/\(index)", type: "type-\(index)", messageID: "id-\(index)",
                    correlationID: "c\n\"\(index)", replyTo: place.client.replyQueue,
                    headers: [
                        "traceparent": .string("\"\n\(index)"), "rectifid-due": .string("x"),
                        "x-\(index)": .string("\u{0}"),
                    ])
                try await publisher.publish(
                    OutgoingMessage(properties, body: [UInt8(index)]), exchange: Pool.standard.workExchange,
                    routingKey: "interactive")
            }
            try await place.metrics {
                $0[#"rectifid_jobs_total{code="INVALID_ARGUMENT",lane="interactive",outcome="failed"}"#] == 50
            }
            let new = try series().subtracting(known).filter { !$0.contains("outcome=\"failed\"") }
            #expect(new.isEmpty, "\(new)")
            await publisher.close()
        }
    }

    @Test(arguments: [Int64.min, -1, 0, 1, .max])
    func anyTimeOfQueueingIsTaken(due: Int64) async throws {
        try await Workplace.open { place in
            let publisher = InMemoryBroker(node: place.node)
            let properties = MessageProperties(
                contentType: Wire.contentType, type: Wire.Method.personalize.rawValue, messageID: "j",
                replyTo: place.client.replyQueue, timestamp: .max, headers: [Wire.Header.due: .int64(due)])
            try await publisher.publish(
                OutgoingMessage(properties, body: try Workplace.request().encode()),
                exchange: Pool.standard.workExchange, routingKey: "interactive")
            try await place.metrics {
                $0[#"rectifid_jobs_total{code="OK",lane="interactive",outcome="succeeded"}"#] == 1
            }
            await publisher.close()
        }
    }
}
