import Broker
import Jobs
import Logging
import Messages
import RectifIDClient
import Synchronization
import Telemetry

/// One job at a worker, as metrics and spans.
final class JobMonitor: JobObserver {
    /// What is being traced.
    fileprivate struct Trace {
        let clock: SpanClock
        var span: Span
        var phases: [Span] = []
        var passes: [SpanEvent] = []
        var droppedPasses = 0
    }

    /// Passes that a span keeps; as many as most jobs have.
    private static let passLimit = 128
    /// Spans of a job, against a worker that publishes in vain for hours.
    fileprivate static let spanLimit = 64

    let traceHeaders: [String: HeaderValue]?
    let logMetadata: Logger.Metadata
    private let metrics: WorkerMetrics
    private let lane: Lane
    private let start = ContinuousClock.now
    private let phaseStarts = Mutex<[JobPhase: ContinuousClock.Instant]>([:])
    private let trace: Mutex<Trace>?
    private let export: @Sendable ([Span]) -> Void
    private let onSettled: @Sendable () -> Void

    /// - Parameters:
    ///   - exporter: Nil: no spans; what came with the request is passed on.
    ///   - onSettled: Called once, at the end.
    init(
        _ request: TakenRequest, metrics: WorkerMetrics, exporter: SpanExporter?, logsTraces: Bool,
        onSettled: @escaping @Sendable () -> Void
    ) {
        self.metrics = metrics
        self.onSettled = onSettled
        lane = request.lane
        let headers = request.properties.headers
        let parent = headers[Wire.Header.traceParent]?.stringValue.flatMap {
            SpanContext(traceParent: $0, traceState: headers[Wire.Header.traceState]?.stringValue)
        }
        // Without a valid parent a trace begins here. Where nothing is recorded the parent goes on unchanged, since a span
        // of ours in its place would be missing from the trace.
        let context =
            if exporter != nil, parent?.isSampled ?? true {
                parent?.child() ?? SpanContext(isSampled: true)
            } else {
                parent ?? SpanContext(isSampled: false)
            }
        var trace: [String: HeaderValue] = [Wire.Header.traceParent: .string(context.traceParent)]
        if !context.state.isEmpty { trace[Wire.Header.traceState] = .string(context.state) }
        traceHeaders = trace
        logMetadata =
            logsTraces
            ? ["trace_id": .string(context.traceIDText), "span_id": .string(context.spanIDText)] : [:]
        if let exporter, context.isSampled {
            self.trace = Mutex(Self.begin(request, context: context, parentID: parent?.spanID ?? 0))
            export = { exporter.export($0) }
        } else {
            self.trace = nil
            export = { _ in }
        }
    }

    private static func begin(_ request: TakenRequest, context: SpanContext, parentID: UInt64) -> Trace {
        let clock = SpanClock()
        let now = clock.now
        let span = Span(
            "process \(request.queue)", kind: .consumer, context: context, parentID: parentID, start: now, end: now,
            attributes: request.attributes)
        var trace = Trace(clock: clock, span: span)
        if let wait = request.wait {
            // Beside the processing where there is something that both belong to.
            trace.phases.append(
                Span(
                    "wait \(request.queue)", context: context.child(),
                    parentID: parentID == 0 ? context.spanID : parentID, start: now - min(wait.inNanoseconds, now),
                    end: now, attributes: [SpanAttribute("rectifid.job.id", request.jobID)]))
        }
        return trace
    }

    func began(_ phase: JobPhase) {
        phaseStarts.withLock { $0[phase] = .now }
    }

    func ended(_ phase: JobPhase) {
        guard let start = phaseStarts.withLock({ $0.removeValue(forKey: phase) }) else { return }
        let duration = start.duration(to: .now)
        metrics.phaseSeconds.observe(duration.inSeconds, phase.rawValue)
        trace?.withLock { trace in
            let now = trace.clock.now
            var span = Span(
                phase.rawValue, context: trace.span.context.child(), parentID: trace.span.context.spanID,
                start: now - duration.inNanoseconds, end: now)
            if phase == .guidance {
                span.events = trace.passes
                span.droppedEvents = trace.droppedPasses
                trace.passes = []
            }
            trace.add(span)
        }
    }

    func completed(_ pass: CompletedPass) {
        metrics.iterations.add(1)
        metrics.iterationSeconds.observe(pass.duration.inSeconds)
        trace?.withLock { trace in
            guard trace.passes.count < Self.passLimit else { return trace.droppedPasses += 1 }
            trace.passes.append(
                SpanEvent(
                    "pass", time: trace.clock.now,
                    attributes: [
                        SpanAttribute("rectifid.iteration", pass.iteration),
                        SpanAttribute("rectifid.loss", Double(pass.loss)),
                        SpanAttribute("rectifid.similarity", Double(pass.similarity)),
                        SpanAttribute("rectifid.seconds", pass.duration.inSeconds),
                    ]))
        }
    }

    func computed(_ timings: [Timing]) {
        for timing in timings { metrics.samplerSeconds.add(timing.seconds, timing.phase) }
        trace?.withLock { trace in
            for timing in timings.prefix(16) {
                trace.span.attributes.append(SpanAttribute("rectifid.sampler.\(timing.phase)_seconds", timing.seconds))
            }
        }
    }

    func published(_ publication: Publication) {
        metrics.published(publication)
        // Progress would be most of a trace and say least.
        guard publication.kind != .event || publication.error != nil else { return }
        trace?.withLock { trace in
            let now = trace.clock.now
            var span = Span(
                "send \(publication.kind.rawValue)", kind: .producer, context: trace.span.context.child(),
                parentID: trace.span.context.spanID, start: now - publication.duration.inNanoseconds, end: now,
                attributes: publication.attributes)
            if let error = publication.error {
                span.error = "\(error)"
                span.attributes.append(SpanAttribute("error.type", error.kind))
            }
            trace.add(span)
        }
    }

    func settled(_ settlement: Settlement) {
        metrics.settled(settlement, lane: lane, after: start.duration(to: .now))
        onSettled()
        let spans = trace?.withLock { trace in
            trace.span.end = trace.clock.now
            trace.span.attributes += settlement.attributes
            if settlement.code != .ok {
                trace.span.error = settlement.code.name
                trace.span.attributes.append(SpanAttribute("error.type", settlement.code.name))
            }
            return [trace.span] + trace.phases
        }
        if let spans { export(spans) }
    }
}

extension JobMonitor.Trace {
    fileprivate mutating func add(_ span: Span) {
        if phases.count < JobMonitor.spanLimit { phases.append(span) }
    }
}
