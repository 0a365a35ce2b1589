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

    @OptionGroup var tracing: TraceOptions

    mutating func validate() throws {
        httpPort = try EnvironmentValue.value(httpPort, "http-port")
        httpHost = try EnvironmentValue.value(httpHost, "http-host")
    }

    /// A worker's monitor and what belongs to it.
    struct Running {
        let monitor: WorkerMonitor
        fileprivate let server: HTTPServer?
        fileprivate let traces: TraceOptions.Output?
        fileprivate let reopening: Task<Void, Never>?

        /// Closes the port, and writes what is left of the traces.
        func stop() async {
            reopening?.cancel()
            await traces?.exporter.close()
            await server?.stop()
        }
    }

    /// Opens what was asked for.
    ///
    /// - Throws: ``CommandFailure`` for a port or a file that cannot be opened.
    func start(workerID: String, logsTraces: Bool, logger: Logger) throws -> Running {
        let traces = try tracing.open(service: "rectifid", instance: workerID)
        let monitor = WorkerMonitor(
            workerID: workerID, version: Rectifid.version, exporter: traces?.exporter,
            logsTraces: logsTraces || traces != nil)
        let server = try openPort(monitor, logger)
        return Running(
            monitor: monitor, server: server, traces: traces, reopening: traces?.reopenAtHangUp(logger))
    }

    private func openPort(_ monitor: WorkerMonitor, _ logger: Logger) throws -> HTTPServer? {
        guard let httpPort else { return nil }
        do throws(HTTPServerError) {
            let host = httpHost ?? "127.0.0.1"
            let server = try HTTPServer(host: host, port: httpPort) { monitor.respond($0) }
            logger.info("status port open", metadata: ["host": "\(host)", "port": "\(server.port)"])
            return server
        } catch {
            throw CommandFailure(.unavailable, "--http-port: \(error)")
        }
    }
}
