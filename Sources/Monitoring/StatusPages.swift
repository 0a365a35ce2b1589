import Broker
import Foundation
import Jobs
import Messages
import RectifIDClient
public import Telemetry

/// What the status port shows.
///
/// `/healthz` says whether the process is alive, and nothing of the broker: a worker that waits for its broker to come
/// back is well, and restarting it helps nobody. `/readyz` says whether it takes jobs: not while the broker is away,
/// nor while a thread that talks to it stands still. `/metrics` is for Prometheus.
extension WorkerMonitor {
    public func respond(_ request: HTTPRequest) -> HTTPResponse {
        switch request.path {
        case "/healthz": healthz
        case "/readyz": readyz
        case "/metrics":
            HTTPResponse(.ok, contentType: ExpositionText.contentType, body: registry.exposition)
        case "/": HTTPResponse(.ok, "rectifid worker: /healthz /readyz /metrics")
        default: HTTPResponse(.notFound, "there is /healthz, /readyz and /metrics")
        }
    }

    private var healthz: HTTPResponse { standstill(longerThan: Self.maximumDelay) ?? HTTPResponse(.ok, "ok") }

    /// That a thread which talks to the broker does not come round, where that is so.
    private func standstill(longerThan limit: Duration) -> HTTPResponse? {
        guard let worst = delays.max(by: { $0.duration < $1.duration }), worst.duration > limit else { return nil }
        return HTTPResponse(
            .serviceUnavailable,
            "the thread of the \(worst.connection) connection has not come round for \(Int(worst.duration.inSeconds)) s"
        )
    }

    private var readyz: HTTPResponse {
        guard let health else { return HTTPResponse(.serviceUnavailable, "starting: models are loading") }
        switch (health.state, health.broker) {
        case (.ready, .connected):
            return standstill(longerThan: Self.maximumReadyDelay) ?? HTTPResponse(.ok, "ready")
        case (.starting, .connected): return HTTPResponse(.serviceUnavailable, "starting")
        case (.starting, let broker):
            return HTTPResponse(.serviceUnavailable, "starting: the broker connection is \(broker.kind)")
        case (.draining, _):
            return HTTPResponse(.serviceUnavailable, "draining: \(health.jobs.count) jobs are being handed over")
        case (.ready, let broker):
            return HTTPResponse(.serviceUnavailable, "the broker connection is \(broker.kind)")
        }
    }
}
