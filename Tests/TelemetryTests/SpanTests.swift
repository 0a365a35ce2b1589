import Foundation
import Synchronization
@testable import Telemetry
import TelemetryTestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct SpanContextTests {
    private static let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test func aValidHeaderIsReadAndWrittenAgain() throws {
        let context = try #require(SpanContext(traceParent: Self.valid, traceState: "rojo=00f067aa0ba902b7,congo=t61"))
        #expect(context.traceIDText == "0af7651916cd43dd8448eb211c80319c" && context.spanIDText == "b7ad6b7169203331")
        #expect(context.isSampled && context.state == "rojo=00f067aa0ba902b7,congo=t61")
        #expect(context.traceParent == Self.valid)
        let child = context.child()
        #expect(child.traceID == context.traceID && child.spanID != context.spanID && child.isSampled)
    }

    @Test func laterVersionsAreReadAsFarAsTheyAreKnown() throws {
        let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings"
        #expect(try #require(SpanContext(traceParent: later)).traceParent == Self.valid)
        #expect(SpanContext(traceParent: String(later.prefix(55))) != nil)
        #expect(SpanContext(traceParent: later.replacing("-01-", with: "-01.")) == nil)
    }

    @Test(arguments: [
        "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", valid + "-", valid + "0", " " + valid,
        valid.uppercased(), "ff" + valid.dropFirst(2), "0x" + valid.dropFirst(2),
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-٠af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        String(repeating: "0", count: 500), "\0\0",
    ])
    func anInvalidHeaderIsNone(header: String) {
        #expect(SpanContext(traceParent: header) == nil)
    }

    @Test(arguments: [
        ("a=1", true), ("a=1,,b=2", true), (" a=1 ,\tb=2", true), ("tenant@system=x", true), ("0t@s=1", true),
        ("a*/-_=!~", true), ("", false), ("a", false), ("A=1", false), ("1a=1", false), ("a=1,a=2", false),
        ("a=", false), ("a=b=c", false), ("a=\u{1}", false), ("a=é", false), ("@s=1", false), ("t@=1", false),
        (String(repeating: "a", count: 257) + "=1", false), ("a=" + String(repeating: "b", count: 600), false),
        ((0..<33).map { "k\($0)=1" }.joined(separator: ","), false),
        ((0..<32).map { "k\($0)=1" }.joined(separator: ","), true),
    ])
    func aTraceStateIsTakenWholeOrNotAtAll(state: String, isValid: Bool) throws {
        let context = try #require(SpanContext(traceParent: Self.valid, traceState: state))
        #expect(context.state == (isValid ? state : ""))
    }

    @Test func newTracesDifferAndAreValid() throws {
        let (first, second) = (SpanContext(isSampled: true), SpanContext(isSampled: false))
        #expect(first.traceID != second.traceID)
        for context in [first, second] { #expect(SpanContext(traceParent: context.traceParent) == context) }
    }
}

@Suite(.timeLimit(.minutes(1)))
struct SpanExporterTests {
    private func span(_ name: String, error: String? = nil) -> Span {
        var span = Span(
            name, kind: .consumer, context: SpanContext(isSampled: true), parentID: 0xAB,
            start: 1_544_712_660_000_000_001, end: 1_544_712_661_000_000_002,
            attributes: [
                SpanAttribute("text", "line\nbreak \"quoted\" \u{7}"), SpanAttribute("int", .max),
                SpanAttribute("double", 0.5), SpanAttribute("nan", Double.nan), SpanAttribute("flag", true),
            ])
        span.events = [SpanEvent("pass", time: 1_544_712_660_500_000_000, attributes: [SpanAttribute("iteration", 3)])]
        span.error = error
        return span
    }

    @Test func spansAreLinesOfOTLPJSON() async throws {
        let lines = Mutex<[[UInt8]]>([])
        let exporter = SpanExporter(resource: [SpanAttribute("service.name", "rectifid")], version: "1.2.3") { line in
            lines.withLock { $0.append(line) }
            return true
        }
        let (first, second) = (span("first"), span("second", error: "INTERNAL"))
        exporter.export([first, second])
        await exporter.close()
        #expect(exporter.counts == SpanExporter.Counts(written: 2, dropped: 0))
        let line = try #require(lines.withLock { $0 }.first)
        #expect(!line.contains(UInt8(ascii: "\n")))
        // Decoded as a collector does: ids hexadecimal, enumerations numbers, 64-bit integers strings.
        let request = try JSONDecoder().decode(WrittenRequest.self, from: Data(line))
        let resource = try #require(request.resourceSpans.first)
        #expect(resource.resource.attributes.first?.value.stringValue == "rectifid")
        let spans = try #require(resource.scopeSpans.first).spans
        #expect(spans.map(\.name) == ["first", "second"] && spans[0].kind == 5)
        #expect(spans[0].traceId == first.context.traceIDText && spans[0].spanId == first.context.spanIDText)
        #expect(spans[0].parentSpanId == "00000000000000ab")
        #expect(spans[0].startTimeUnixNano == "1544712660000000001")
        #expect(spans[0].endTimeUnixNano == "1544712661000000002")
        let values = Dictionary(uniqueKeysWithValues: (spans[0].attributes ?? []).map { ($0.key, $0.value) })
        #expect(values["text"]?.stringValue == "line\nbreak \"quoted\" \u{7}")
        #expect(values["int"]?.intValue == "9223372036854775807" && values["double"]?.doubleValue == .number(0.5))
        #expect(values["nan"]?.doubleValue == .text("NaN") && values["flag"]?.boolValue == true)
        #expect(spans[0].events?.first?.timeUnixNano == "1544712660500000000")
        #expect(spans[0].status.code == nil && spans[1].status.code == 2 && spans[1].status.message == "INTERNAL")
    }

    @Test func aSlowReaderCostsSpansAndNoTime() async throws {
        let gate = DispatchSemaphore(value: 0)
        let exporter = SpanExporter(resource: [], version: "", capacity: 10) { _ in
            gate.wait()
            return true
        }
        for _ in 0..<100 { exporter.export([span("a")]) }
        #expect(exporter.counts.dropped == 90)
        for _ in 0..<10 { gate.signal() }
        await exporter.close()
        #expect(exporter.counts == SpanExporter.Counts(written: 10, dropped: 90))
        exporter.export([span("late")])
        #expect(exporter.counts.dropped == 91)
    }

    @Test func whatCannotBeWrittenIsCounted() async throws {
        let exporter = SpanExporter(resource: [], version: "") { _ in false }
        exporter.export([span("a"), span("b")])
        await exporter.close()
        #expect(exporter.counts == SpanExporter.Counts(written: 0, dropped: 2))
    }

    @Test func aFileIsAppendedToLineByLine() async throws {
        let path = NSTemporaryDirectory() + "rectifid-spans-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        for name in ["one", "two"] {
            let exporter = SpanExporter(to: try LineSink(appendingTo: path), resource: [], version: "")
            exporter.export([span(name)])
            await exporter.close()
        }
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 2 && lines[0].contains("one") && lines[1].contains("two"))
        #expect(throws: LineSinkError.self) { try LineSink(appendingTo: path + "/no/such/folder") }
    }

    @Test func aFileThatWasMovedAwayIsMadeAnew() throws {
        let folder = NSTemporaryDirectory() + "rectifid-lines-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (path, moved) = (folder + "/spans", folder + "/spans.1")
        let sink = try LineSink(appendingTo: path)
        sink.write(line: Array("one".utf8))
        try FileManager.default.moveItem(atPath: path, toPath: moved)
        sink.write(line: Array("two".utf8))
        try sink.reopen()
        sink.write(line: Array("three".utf8))
        #expect(try String(contentsOfFile: moved, encoding: .utf8) == "one\ntwo\n")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "three\n")
        // Where it cannot be made, lines go on into the old one.
        try FileManager.default.moveItem(atPath: folder, toPath: folder + ".gone")
        defer { try? FileManager.default.removeItem(atPath: folder + ".gone") }
        #expect(throws: LineSinkError.self) { try sink.reopen() }
        #expect(sink.write(line: Array("four".utf8)))
        #expect(try String(contentsOfFile: folder + ".gone/spans", encoding: .utf8) == "three\nfour\n")
    }
}
