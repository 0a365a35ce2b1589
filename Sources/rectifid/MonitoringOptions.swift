import ArgumentParser
import Foundation
import Logging
import Monitoring
import Telemetry

/// Where a worker shows how it is.
struct MonitoringOptions: ParsableArguments {
    @Option(
        help: """
            Port for /healthz, /readyz and /metrics; none by default, 0: any that is free. [RECTIFID_HTTP_PORT]
            """)
    var httpPort: UInt16?

    @Option(
        help: """
            Address that the port is opened on; 127.0.0.1 by default, 0.0.0.0 or :: for all. [RECTIFID_HTTP_HOST]
            """)
    var httpHost: String?

    @Option(
        help: ArgumentHelp(
            "Appends traces to a file, one OTLP/JSON request per line; - for standard error. [RECTIFID_TRACES]",
            valueName: "file"))
    var traces: String?

    mutating func validate() throws {
        httpPort = try EnvironmentValue.value(httpPort, "http-port")
        httpHost = try EnvironmentValue.value(httpHost, "http-host")
        traces = try EnvironmentValue.value(traces, "traces")
    }

    /// A worker's monitor and what belongs to it.
    struct Running {
        let monitor: WorkerMonitor
        fileprivate let server: HTTPServer?
        fileprivate let exporter: SpanExporter?

        /// Closes the port, and writes what is left of the traces.
        func stop() async {
            await exporter?.close()
            await server?.stop()
        }
    }

    /// Opens what was asked for.
    ///
    /// - Throws: ``CommandFailure`` for a port or a file that cannot be opened.
    func start(workerID: String, logsTraces: Bool, logger: Logger) throws -> Running {
        let exporter = try makeExporter(workerID)
        let monitor = WorkerMonitor(
            workerID: workerID, version: Rectifid.version, exporter: exporter,
            logsTraces: logsTraces || exporter != nil)
        guard let httpPort else { return Running(monitor: monitor, server: nil, exporter: exporter) }
        do throws(HTTPServerError) {
            let host = httpHost ?? "127.0.0.1"
            let server = try HTTPServer(host: host, port: httpPort) { monitor.respond($0) }
            logger.info("status port open", metadata: ["host": "\(host)", "port": "\(server.port)"])
            return Running(monitor: monitor, server: server, exporter: exporter)
        } catch {
            throw CommandFailure(.unavailable, "--http-port: \(error)")
        }
    }

    private func makeExporter(_ workerID: String) throws -> SpanExporter? {
        guard let traces else { return nil }
        let sink: LineSink
        do throws(LineSinkError) {
            sink = traces == "-" ? .standardError : try LineSink(appendingTo: traces)
        } catch {
            throw CommandFailure(.cannotWrite, "--traces: \(error)")
        }
        return SpanExporter(
            to: sink,
            resource: [
                SpanAttribute("service.name", "rectifid"), SpanAttribute("service.version", Rectifid.version),
                SpanAttribute("service.instance.id", workerID),
                SpanAttribute("process.pid", Int(ProcessInfo.processInfo.processIdentifier)),
            ], version: Rectifid.version)
    }
}
