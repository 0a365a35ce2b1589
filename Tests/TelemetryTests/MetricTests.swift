import Foundation
@testable import Telemetry
import TelemetryTestSupport
import Testing

@Suite struct MetricTests {
    @Test func countersGaugesAndHistogramsReadAsTheyWereWritten() throws {
        let registry = MetricRegistry()
        let jobs = registry.counter("test_jobs_total", "Jobs.", labels: ["lane", "code"])
        jobs.add(1, "batch", "OK")
        jobs.add(2, "batch", "OK")
        jobs.add(0, "interactive", "OK")
        registry.gauge("test_degrees", "Warmth.") { [([], -1.5)] }
        let seconds = registry.histogram("test_seconds", "Time.", labels: ["phase"], buckets: [0.1, 1, 10])
        for value in [0.05, 0.1, 0.2, 100, .nan, .infinity] { seconds.observe(value, "decode") }
        let read = try ExpositionParser(registry.exposition)
        #expect(read[#"test_jobs_total{code="OK",lane="batch"}"#] == 3)
        #expect(read[#"test_jobs_total{code="OK",lane="interactive"}"#] == 0)
        #expect(read["test_degrees"] == -1.5)
        #expect(read[#"test_seconds_bucket{le="0.1",phase="decode"}"#] == 2)
        #expect(read[#"test_seconds_bucket{le="1",phase="decode"}"#] == 3)
        #expect(read[#"test_seconds_bucket{le="+Inf",phase="decode"}"#] == 4)
        #expect(read[#"test_seconds_count{phase="decode"}"#] == 4)
        #expect(abs((read[#"test_seconds_sum{phase="decode"}"#] ?? 0) - 100.35) < 1e-9)
        #expect(read.types == ["test_jobs_total": "counter", "test_degrees": "gauge", "test_seconds": "histogram"])
    }

    @Test(arguments: [
        #"quo"te"#, #"back\slash"#, "new\nline", "}\ntest_forged_total 1\n", "\r\0\u{1B}[31m", "日本語 🙂", "",
        "\u{2028}", "a=\"b\",c", #"\"#, String(repeating: "x", count: 500),
    ])
    func aHostileLabelValueStaysAValue(value: String) throws {
        let registry = MetricRegistry()
        registry.counter("test_total", "Help with \\ and\nnewline.", labels: ["value"]).add(1, value)
        let read = try ExpositionParser(registry.exposition)
        #expect(read.samples.count == 1)
        #expect(read.samples.keys.allSatisfy { $0.utf8.count < 200 })
    }

    @Test func seriesAreBoundedAndNothingIsLostFromTheSum() throws {
        let registry = MetricRegistry()
        let counter = registry.counter("test_total", "Help.", labels: ["value"])
        for index in 0..<1000 { counter.add(1, "v\(index)") }
        let read = try ExpositionParser(registry.exposition)
        #expect(read.samples.count <= 201)
        #expect(read.samples.values.reduce(0, +) == 1000)
        #expect((read[#"test_total{value="other"}"#] ?? 0) == 800)
    }

    @Test func concurrentCountsAreAllCounted() async throws {
        let registry = MetricRegistry()
        let counter = registry.counter("test_total", "Help.", labels: ["lane"])
        let histogram = registry.histogram("test_seconds", "Help.", buckets: [1])
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        counter.add(1, "batch")
                        histogram.observe(0.5)
                    }
                }
            }
        }
        let read = try ExpositionParser(registry.exposition)
        #expect(read[#"test_total{lane="batch"}"#] == 8000 && read["test_seconds_count"] == 8000)
    }

    @Test func theProcessTellsItsMemoryAndTime() throws {
        let registry = MetricRegistry()
        ProcessStatistics.register(in: registry)
        let read = try ExpositionParser(registry.exposition)
        #expect((1e6...1e12).contains(read["process_resident_memory_bytes"] ?? 0))
        #expect((0.0...1e6).contains(read["process_cpu_seconds_total"] ?? -1))
        #expect((3...1e7).contains(read["process_open_fds"] ?? 0))
        #expect(abs((read["process_start_time_seconds"] ?? 0) - Date().timeIntervalSince1970) < 60)
    }

    /// The parser must be able to say no.
    @Test(arguments: [
        "a 1\n", "# HELP a b\n# TYPE a gauge\na 1", "# HELP a b\n# TYPE a counter\na 1\n",
        "# HELP a b\n# TYPE a gauge\na{x=\"1\" 1\n", "# HELP a b\n# TYPE a gauge\na 1\na 2\n",
        "# HELP a b\n# TYPE a gauge\na{x=\"\\t\"} 1\n", "# HELP a b\n# TYPE a gauge\na one\n",
        "# HELP h b\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
    ])
    func theParserRefusesWhatTheFormatDoesNotAllow(text: String) {
        #expect(throws: ExpositionParser.Problem.self) { try ExpositionParser(Array(text.utf8)) }
    }
}
