import Foundation
import Logging
import Synchronization
@testable import Telemetry
import Testing

@Suite struct JSONLogHandlerTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[[UInt8]]>([])
        var all: [[UInt8]] { lines.withLock { $0 } }
        func add(_ line: [UInt8]) { lines.withLock { $0.append(line) } }
    }

    private func logger(_ lines: Lines, label: String = "rectifid.test") -> Logger {
        Logger(label: label) { JSONLogHandler(label: $0) { lines.add($0) } }
    }

    private func record(_ lines: Lines) throws -> [String: Any] {
        let line = try #require(lines.all.first)
        return try #require(JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
    }

    @Test func aRecordHasItsPlaceForEverything() throws {
        let lines = Lines()
        var logger = logger(lines)
        logger[metadataKey: "worker"] = "w-1"
        logger[metadataKey: "job"] = "outer"
        logger.warning(
            "failed",
            metadata: [
                "job": "j-1", "trace_id": "0af7", "span_id": "b7ad", "code": "INTERNAL",
                "list": ["a", ["b": "c"]],
            ])
        let record = try record(lines)
        #expect(record["level"] as? String == "warning" && record["message"] as? String == "failed")
        #expect(record["logger"] as? String == "rectifid.test" && record["worker"] as? String == "w-1")
        #expect(record["job"] as? String == "j-1" && record["trace_id"] as? String == "0af7")
        #expect(record["span_id"] as? String == "b7ad")
        let metadata = try #require(record["metadata"] as? [String: Any])
        #expect(metadata["code"] as? String == "INTERNAL" && metadata["job"] == nil)
        let list = try #require(metadata["list"] as? [Any])
        #expect(list[0] as? String == "a" && (list[1] as? [String: String]) == ["b": "c"])
        let time = try #require(record["time"] as? String)
        let date = try Date(time, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        #expect(abs(date.timeIntervalSinceNow) < 60 && time.hasSuffix("Z"))
    }

    @Test(arguments: [
        "two\nlines", "carriage\rreturn", "\u{0}\u{1B}[31mred", "\"},{\"level\":\"info", "\\", "\u{85}\u{2028}\u{2029}",
        "日本語 🙂", "\u{7F}\u{9B}", "",
    ])
    func aHostileTextStaysInItsPlace(text: String) throws {
        let lines = Lines()
        logger(lines).info("\(text)", metadata: ["\(text)": "\(text)", "job": "\(text)"])
        #expect(lines.all.count == 1)
        let line = try #require(lines.all.first)
        let written = try #require(String(validating: line, as: UTF8.self))
        #expect(!written.unicodeScalars.contains { $0.properties.generalCategory == .control })
        #expect(!written.contains("\u{2028}") && !written.contains("\u{2029}"))
        let record = try record(lines)
        #expect(record["message"] as? String == text && record["job"] as? String == text)
        #expect((record["metadata"] as? [String: String]) == [text: text])
        #expect(record["level"] as? String == "info")
    }

    @Test func longAndDeepRecordsAreCut() throws {
        let lines = Lines()
        var deep = Logger.MetadataValue.string("end")
        for _ in 0..<1000 { deep = .array([deep]) }
        logger(lines).info("\(String(repeating: "é", count: 1_000_000))", metadata: ["deep": deep])
        #expect(try #require(lines.all.first).count < 40_000)
        _ = try record(lines)
    }

    @Test func handlersAreValues() {
        let lines = Lines()
        let first = logger(lines)
        var second = first
        second.logLevel = .error
        second[metadataKey: "only"] = "second"
        #expect(first.logLevel == .info && first[metadataKey: "only"] == nil)
        second.info("not written")
        #expect(lines.all.isEmpty)
    }
}
