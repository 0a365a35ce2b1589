import Foundation
import Synchronization
@testable import Telemetry
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
        let request = try JSONDecoder().decode(ExportTraceServiceRequest.self, from: Data(line))
        let resource = try #require(request.resourceSpans.first)
        #expect(resource.resource.attributes.first?.value.stringValue == "rectifid")
        let spans = try #require(resource.scopeSpans.first).spans
        #expect(spans.map(\.name) == ["first", "second"] && spans[0].kind == 5)
        #expect(spans[0].traceId == first.context.traceIDText && spans[0].spanId == first.context.spanIDText)
        #expect(spans[0].parentSpanId == "00000000000000ab")
        #expect(spans[0].startTimeUnixNano == "1544712660000000001")
        #expect(spans[0].endTimeUnixNano == "1544712661000000002")
        let values = Dictionary(uniqueKeysWithValues: spans[0].attributes.map { ($0.key, $0.value) })
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
}

/// The parts of OTLP's JSON form that matter here.
struct ExportTraceServiceRequest: Decodable {
    struct ResourceSpans: Decodable {
        var resource: Resource
        var scopeSpans: [ScopeSpans]
    }
    struct Resource: Decodable { var attributes: [Attribute] }
    struct ScopeSpans: Decodable { var spans: [WrittenSpan] }
    struct WrittenSpan: Decodable {
        var traceId: String
        var spanId: String
        var parentSpanId: String?
        var name: String
        var kind: Int
        var startTimeUnixNano: String
        var endTimeUnixNano: String
        var attributes: [Attribute]
        var events: [Event]?
        var status: WrittenStatus
    }
    struct Event: Decodable {
        var timeUnixNano: String
        var name: String
    }
    struct WrittenStatus: Decodable {
        var code: Int?
        var message: String?
    }
    struct Attribute: Decodable {
        var key: String
        var value: Value
    }
    struct Value: Decodable {
        var stringValue: String?
        var intValue: String?
        var doubleValue: NumberOrText?
        var boolValue: Bool?
    }
    enum NumberOrText: Decodable, Equatable {
        case number(Double)
        case text(String)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Double.self) {
                self = .number(number)
            } else {
                self = .text(try container.decode(String.self))
            }
        }
    }

    var resourceSpans: [ResourceSpans]
}
