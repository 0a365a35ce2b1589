import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Logging
import Messages
import Monitoring
import RectifIDClient
import Telemetry
import Testing

/// What watching costs, to be measured alone and with optimisation.
///
///     RECTIFID_MEASURE=1 swift test -c release -Xswiftc -enable-testing --filter MonitoringTests.OverheadTests
@Suite(
    .serialized, .timeLimit(.minutes(10)),
    .enabled(if: ProcessInfo.processInfo.environment["RECTIFID_MEASURE"] != nil))
struct OverheadTests {
    private static let jobs = 1000

    @Test func watchingAJobCostsLessThanAMillisecond() async throws {
        let path = NSTemporaryDirectory() + "rectifid-overhead-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        _ = try await time(observer: NoObserver(), logger: .silent)
        var (off, on): ([Double], [Double]) = ([], [])
        for _ in 0..<5 {
            off.append(try await time(observer: NoObserver(), logger: .silent))
            on.append(try await timeWatched(path))
        }
        let (without, with) = (off.sorted()[2], on.sorted()[2])
        print(
            "\(Int(1 / without)) jobs/s unwatched, \(Int(1 / with)) with metrics, traces, JSON logs and scrapes:",
            "\(((with - without) * 1e6).rounded()) us a job")
        #expect(with - without < 1e-3)
    }

    private func timeWatched(_ path: String) async throws -> Double {
        let sink = try LineSink(appendingTo: path)
        let exporter = SpanExporter(to: sink, resource: [SpanAttribute("service.name", "test")], version: "1")
        let monitor = WorkerMonitor(workerID: "w", version: "1", exporter: exporter)
        let server = try HTTPServer(host: "127.0.0.1", port: 0) { monitor.respond($0) }
        let scraping = Task.detached {
            // A thousand times as often as Prometheus does.
            while !Task.isCancelled {
                _ = try HTTPProbe.get("/metrics", host: "127.0.0.1", port: server.port, within: .seconds(5))
                try await Task.sleep(for: .milliseconds(15))
            }
        }
        let logger = Logger(label: "test") { JSONLogHandler(label: $0) { sink.write(line: $0) } }
        let seconds = try await time(observer: monitor, logger: logger)
        scraping.cancel()
        _ = await scraping.result
        await server.stop()
        await exporter.close()
        #expect(exporter.counts.dropped == 0)
        return seconds
    }

    /// Seconds per job of four passes.
    private func time(observer: any WorkerObserver, logger: Logger) async throws -> Double {
        let node = InMemoryNode()
        let broker = InMemoryBroker(node: node)
        let client = InMemoryBroker(node: node)
        try await broker.declare(Pool.standard.topology)
        let replies = try await client.declareReplyQueue(.exclusive())
        let body = try Workplace.request(iterations: 3).encode()
        for index in 0..<Self.jobs {
            let properties = MessageProperties(
                contentType: Wire.contentType, type: Wire.Method.personalize.rawValue, messageID: "job-\(index)",
                replyTo: replies,
                headers: ["traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
            try await client.publish(
                OutgoingMessage(properties, body: body), exchange: Pool.standard.workExchange,
                routingKey: "interactive")
        }
        let worker = JobWorker(
            broker: broker, personalizer: InstantPersonalizer(), configuration: WorkerConfiguration(workerID: "w"),
            observer: observer, logger: logger)
        var iterator = try await client.consume(queue: replies, prefetch: 100).makeAsyncIterator()
        let start = ContinuousClock.now
        let life = Task { try await worker.run() }
        var answered = 0
        while answered < Self.jobs, let delivery = try await iterator.next() {
            try await client.acknowledge(delivery)
            if try PersonalizeEvent.decode(delivery.body).isFinal { answered += 1 }
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1) / Double(Self.jobs)
        worker.drain()
        try await life.value
        await client.close()
        await broker.close()
        return seconds
    }
}
