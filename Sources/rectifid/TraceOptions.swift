import ArgumentParser
import Foundation
import Logging
import Telemetry
import UnixSignals

/// Where spans of traces go.
struct TraceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Appends traces to a file, one OTLP/JSON request per line; - for standard error. [RECTIFID_TRACES]",
            valueName: "file"))
    var traces: String?

    mutating func validate() throws {
        traces = try EnvironmentValue.value(traces, "traces")
    }

    /// What writes spans, and the file that it writes.
    struct Output {
        let exporter: SpanExporter
        fileprivate let sink: LineSink

        /// Opens the file again at every SIGHUP, until the task is cancelled: what logrotate sends after it has moved
        /// the file away.
        func reopenAtHangUp(_ logger: Logger) -> Task<Void, Never> {
            Task { [sink] in
                for await _ in await UnixSignalsSequence(trapping: .sighup) {
                    do {
                        try sink.reopen()
                        logger.info("trace file opened again")
                    } catch {
                        logger.error("traces go on into the old file", metadata: ["error": "\(error)"])
                    }
                }
            }
        }
    }

    /// Opens the file; nil where none is asked for.
    ///
    /// - Parameter instance: Name of this process among those of the same kind.
    /// - Throws: ``CommandFailure`` for a file that cannot be opened.
    func open(service: String, instance: String) throws -> Output? {
        guard let traces else { return nil }
        let sink: LineSink
        do throws(LineSinkError) {
            sink = traces == "-" ? .standardError : try LineSink(appendingTo: traces)
        } catch {
            throw CommandFailure(.cannotWrite, "--traces: \(error)")
        }
        let exporter = SpanExporter(
            to: sink,
            resource: [
                SpanAttribute("service.name", service), SpanAttribute("service.version", Rectifid.version),
                SpanAttribute("service.instance.id", instance),
                SpanAttribute("process.pid", Int(ProcessInfo.processInfo.processIdentifier)),
            ], version: Rectifid.version)
        return Output(exporter: exporter, sink: sink)
    }
}
