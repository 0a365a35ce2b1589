public import Broker
public import Jobs
import Logging
import Messages
import RectifIDClient
import Synchronization
public import Telemetry

/// Watches a worker: counts, traces, and tells whether it is alive and ready.
public final class WorkerMonitor: WorkerObserver {
    /// What can be asked once models are loaded and the broker is connected.
    private struct Subject: Sendable {
        weak let worker: JobWorker?
        let delays: @Sendable () -> [Delay]
    }

    /// By how much a thread that talks to the broker is late.
    public struct Delay: Sendable, Equatable {
        /// What the connection is for.
        public var connection: String
        public var duration: Duration

        public init(connection: String, duration: Duration) {
            self.connection = connection
            self.duration = duration
        }
    }

    /// How long a thread of the broker's may be late before the process counts as hung.
    ///
    /// Its turns take milliseconds; a machine that swaps or is paused may take seconds.
    public static let maximumDelay: Duration = .seconds(60)

    /// How long one may be late before the worker counts as not ready: nothing comes in or goes out meanwhile.
    public static let maximumReadyDelay: Duration = .seconds(10)

    public let registry = MetricRegistry()
    private let metrics: WorkerMetrics
    private let exporter: SpanExporter?
    private let logsTraces: Bool
    private let brokerWatch: BrokerWatch
    private let subject = Mutex<Subject?>(nil)
    private let held = Mutex<[Lane: Int]>([:])

    /// A monitor.
    ///
    /// - Parameters:
    ///   - version: Of rectifid.
    ///   - exporter: Where spans go; nil: none are made.
    ///   - logsTraces: Whether log lines of jobs carry `trace_id` and `span_id`.
    public init(workerID: String, version: String, exporter: SpanExporter? = nil, logsTraces: Bool = true) {
        metrics = WorkerMetrics(in: registry)
        brokerWatch = BrokerWatch(in: registry)
        self.exporter = exporter
        self.logsTraces = logsTraces
        registry.gauge(
            "rectifid_build_info", "1; the version and the worker's name stand in the labels.",
            labels: ["version", "worker"]
        ) { [([version, workerID], 1)] }
        ProcessStatistics.register(in: registry)
        registerWorker()
        if let exporter { Self.register(exporter, in: registry) }
    }

    /// Begins to watch a worker.
    ///
    /// - Parameters:
    ///   - states: Of its broker connection; followed until they end.
    ///   - delays: By how much the threads that talk to the broker are late; none where the broker has no threads.
    public func watch(
        _ worker: JobWorker, states: AsyncStream<BrokerState>, delays: @escaping @Sendable () -> [Delay] = { [] }
    ) {
        subject.withLock { $0 = Subject(worker: worker, delays: delays) }
        Task { [brokerWatch] in await brokerWatch.follow(states) }
    }

    public func took(_ request: TakenRequest) -> any JobObserver {
        metrics.took(request)
        held.withLock { $0[request.lane, default: 0] += 1 }
        return JobMonitor(request, metrics: metrics, exporter: exporter, logsTraces: logsTraces) { [self] in
            held.withLock { $0[request.lane, default: 0] -= 1 }
        }
    }

    /// Nil before ``watch(_:states:delays:)``.
    var health: WorkerHealth? { subject.withLock { $0 }?.worker?.health }

    /// Connections whose threads are late, and by how much.
    var delays: [Delay] { subject.withLock { $0 }?.delays() ?? [] }

    private func registerWorker() {
        registry.gauge("rectifid_jobs_running", "Requests that are held and not settled.", labels: ["lane"]) {
            [weak self] in
            let held = self?.held.withLock { $0 } ?? [:]
            return Lane.allCases.map { ([$0.rawValue], Double(held[$0] ?? 0)) }
        }
        registry.gauge(
            "rectifid_worker_state", "1 for the state that the worker is in, 0 for the others.", labels: ["state"]
        ) { [weak self] in
            let state = self?.health?.state ?? .starting
            return WorkerState.allCases.map { (["\($0)"], $0 == state ? 1 : 0) }
        }
        registry.gauge(
            "rectifid_broker_thread_delay_seconds",
            "By how much the threads that talk to the broker are late; 0 while all is well.", labels: ["connection"]
        ) { [weak self] in
            self?.delays.map { ([$0.connection], $0.duration.inSeconds) } ?? []
        }
    }

    private static func register(_ exporter: SpanExporter, in registry: MetricRegistry) {
        registry.counter("rectifid_spans_total", "Spans of traces, by what became of them.", labels: ["result"]) {
            let counts = exporter.counts
            return [(["dropped"], Double(counts.dropped)), (["written"], Double(counts.written))]
        }
    }
}
