import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Logging
import Messages
@testable import Monitoring
import Raster
import RectifIDClient
import Synchronization
import Telemetry
import TelemetryTestSupport

/// A worker with its monitor and its status port, on a broker in memory.
final class Workplace: Sendable {
    let clock: ManualClock
    let node: InMemoryNode
    let broker: InMemoryBroker
    let client: PersonalizationClient
    let monitor: WorkerMonitor
    let worker: JobWorker
    let lines = Lines()
    private let log: Logger
    private let exporter: SpanExporter
    private let server: HTTPServer
    private let delays = Mutex<[WorkerMonitor.Delay]>([])

    private init(_ personalizer: any Personalizer, sink: @escaping @Sendable ([UInt8]) -> Bool) async throws {
        clock = ManualClock()
        node = InMemoryNode(clock: clock)
        broker = InMemoryBroker(node: node)
        try await broker.declare(Pool.standard.topology)
        client = try await PersonalizationClient.connect(to: InMemoryBroker(node: node))
        let lines = lines
        exporter = SpanExporter(resource: [SpanAttribute("service.name", "rectifid")], version: "1.2.3") { line in
            lines.add(line)
            return sink(line)
        }
        let monitor = WorkerMonitor(workerID: "worker-1", version: "1.2.3", exporter: exporter)
        self.monitor = monitor
        server = try HTTPServer(host: "127.0.0.1", port: 0) { monitor.respond($0) }
        var configuration = WorkerConfiguration(workerID: "worker-1", version: "1.2.3")
        configuration.replyPatience = .zero
        log = Logger(label: "rectifid.worker") { [lines] in JSONLogHandler(label: $0) { lines.log($0) } }
        worker = JobWorker(
            broker: broker, personalizer: personalizer, configuration: configuration, observer: monitor, logger: log)
    }

    struct Options: Sendable {
        /// Takes lines of spans.
        var sink: @Sendable ([UInt8]) -> Bool = { _ in true }
        /// Runs before the worker is watched and works.
        var before: @Sendable (Workplace) async throws -> Void = { _ in }
    }

    /// Lets `body` run while the worker works.
    static func open(
        _ personalizer: any Personalizer = InstantPersonalizer(), options: Options = Options(),
        _ body: (Workplace) async throws -> Void
    ) async throws {
        let place = try await Workplace(personalizer, sink: options.sink)
        try await attempt {
            try await options.before(place)
            place.monitor.watch(place.worker, states: place.broker.states) { [place] in place.delays.withLock { $0 } }
            let life = Task { try await place.worker.run() }
            try await attempt {
                try await body(place)
            } cleanup: {
                place.worker.drain()
                // Some tests take the broker away, which ends the worker with an error.
                _ = await life.result
            }
        } cleanup: {
            await place.client.close()
            await place.broker.close()
            await place.exporter.close()
            await place.server.stop()
        }
    }

    /// Lets a second worker work while `body` runs; its spans and log lines come with the first one's.
    func withSecondWorker(_ body: () async throws -> Void) async throws {
        let connection = InMemoryBroker(node: node)
        var configuration = WorkerConfiguration(workerID: "worker-2", version: "1.2.3")
        configuration.replyPatience = .zero
        let second = JobWorker(
            broker: connection, personalizer: InstantPersonalizer(), configuration: configuration,
            observer: WorkerMonitor(workerID: "worker-2", version: "1.2.3", exporter: exporter), logger: log)
        let life = Task { try await second.run() }
        try await attempt {
            try await body()
        } cleanup: {
            second.drain()
            try await life.value
            await connection.close()
        }
    }

    /// Makes the monitor believe that a thread is late.
    func setDelay(_ delay: WorkerMonitor.Delay?) { delays.withLock { $0 = delay.map { [$0] } ?? [] } }

    func get(_ path: String) throws -> (status: Int, body: String) {
        try HTTPProbe.get(path, host: "127.0.0.1", port: server.port, within: .seconds(30))
    }

    func metrics() throws -> ExpositionParser { try ExpositionParser(Array(try get("/metrics").body.utf8)) }

    /// Waits until the metrics say so; the test's time limit ends what never becomes so.
    @discardableResult
    func metrics(when condition: (ExpositionParser) -> Bool) async throws -> ExpositionParser {
        while true {
            let metrics = try metrics()
            if condition(metrics) { return metrics }
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    static func request(iterations: Int = 2) throws -> PersonalizeRequest {
        let picture = try Picture(width: 16, height: 16, fill: (red: 200, green: 120, blue: 40)).encode(.png)
        var request = PersonalizeRequest(references: [Reference(picture: .image(picture))], prompt: "a portrait")
        request.iterations = iterations
        return request
    }

    /// What was written.
    final class Lines: Sendable {
        private let contents = Mutex<(spans: [[UInt8]], log: [[UInt8]])>(([], []))

        func add(_ line: [UInt8]) { contents.withLock { $0.spans.append(line) } }
        func log(_ line: [UInt8]) { contents.withLock { $0.log.append(line) } }

        var log: [String] { contents.withLock { $0.log }.map { String(decoding: $0, as: UTF8.self) } }

        var spans: [WrittenSpan] {
            get throws {
                try contents.withLock { $0.spans }.flatMap { line in
                    try JSONDecoder().decode(WrittenRequest.self, from: Data(line)).spans
                }
            }
        }
    }
}
