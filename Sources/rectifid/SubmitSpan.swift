import Broker
import Foundation
import Messages
import RectifIDClient
import Telemetry

/// A job as its client sees it, as a span: from before it is sent until its result is there.
///
/// It begins a trace, or a part of the one that `TRACEPARENT` names, as scripts have it that are traced themselves. The
/// job carries it either way; it is written where there is somewhere to write it.
struct SubmitSpan {
    private let exporter: SpanExporter?
    private let clock = SpanClock()
    private var span: Span

    init(_ output: TraceOptions.Output?, pool: Pool, lane: Lane, jobID: String) {
        exporter = output?.exporter
        let environment = ProcessInfo.processInfo.environment
        let parent = environment["TRACEPARENT"].flatMap {
            SpanContext(traceParent: $0, traceState: environment["TRACESTATE"])
        }
        let now = clock.now
        span = Span(
            "submit \(pool.workExchange)", kind: .client, context: parent?.child() ?? SpanContext(isSampled: true),
            parentID: parent?.spanID ?? 0, start: now, end: now,
            attributes: [
                SpanAttribute("messaging.system", "rabbitmq"),
                SpanAttribute("messaging.destination.name", pool.workExchange),
                SpanAttribute("messaging.message.id", jobID), SpanAttribute("rectifid.job.id", jobID),
                SpanAttribute("rectifid.lane", lane.rawValue),
            ])
    }

    /// What the job carries.
    var trace: TraceContext? {
        TraceContext(
            traceParent: span.context.traceParent, traceState: span.context.state.isEmpty ? nil : span.context.state)
    }

    /// Ends and writes it.
    ///
    /// - Parameter error: Why there is no picture.
    func end(_ error: (any Error)?) async {
        guard let exporter, span.context.isSampled else { return }
        var span = span
        span.end = clock.now
        span.error = error.map { "\($0)" }
        exporter.export([span])
        await exporter.close()
    }
}
