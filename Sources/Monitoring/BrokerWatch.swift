import Broker
import Synchronization
import Telemetry

/// Follows the state of a broker connection and counts its changes.
final class BrokerWatch: Sendable {
    private struct Contents {
        var state = BrokerState.connecting
        var wasConnected = false
        var reconnects = 0
        var disconnections = 0
        var blockings = 0
    }

    private let contents = Mutex(Contents())

    /// Adds the broker's metrics.
    init(in registry: MetricRegistry) {
        registry.gauge(
            "rectifid_broker_state", "1 for the state that the broker connection is in, 0 for the others.",
            labels: ["state"]
        ) { [contents = Weak(self)] in
            let state = contents.object?.state.kind
            return BrokerState.kinds.map { ([$0], $0 == state ? 1 : 0) }
        }
        let counters: [(String, String, @Sendable (Contents) -> Int)] = [
            ("reconnects", "Times that a lost broker connection was made again.", { $0.reconnects }),
            ("disconnections", "Times that the broker connection was lost or refused.", { $0.disconnections }),
            ("blockings", "Times that the broker, short of memory or disk, stopped taking messages.", { $0.blockings }),
        ]
        for (name, help, count) in counters {
            registry.counter("rectifid_broker_\(name)_total", help) { [contents = Weak(self)] in
                contents.object.map { [([], Double(count($0.contents.withLock { $0 })))] } ?? []
            }
        }
    }

    /// The latest state; `.connecting` before there is a broker.
    var state: BrokerState { contents.withLock { $0.state } }

    /// Follows the states to their end.
    func follow(_ states: AsyncStream<BrokerState>) async {
        for await state in states { note(state) }
    }

    func note(_ state: BrokerState) {
        contents.withLock { contents in
            switch state {
            case .connected:
                // After having been blocked it was connected all the time.
                switch contents.state {
                case .connecting, .disconnected: contents.reconnects += contents.wasConnected ? 1 : 0
                case .connected, .blocked, .closed: break
                }
                contents.wasConnected = true
            case .disconnected: contents.disconnections += 1
            case .blocked: contents.blockings += 1
            case .connecting, .closed: break
            }
            contents.state = state
        }
    }
}

/// Something that a metric reads and does not keep alive.
struct Weak<Object: AnyObject & Sendable>: Sendable {
    weak let object: Object?

    init(_ object: Object) { self.object = object }
}

extension BrokerState {
    static let kinds = ["connecting", "connected", "blocked", "disconnected", "closed"]

    /// The state without what came with it, as a label.
    var kind: String {
        switch self {
        case .connecting: "connecting"
        case .connected: "connected"
        case .blocked: "blocked"
        case .disconnected: "disconnected"
        case .closed: "closed"
        }
    }
}

extension BrokerError {
    /// The error without what came with it, as a label.
    var kind: String {
        switch self {
        case .unroutable: "unroutable"
        case .refused: "refused"
        case .messageTooLarge: "message_too_large"
        case .headerTooLarge: "header_too_large"
        case .invalid: "invalid"
        case .timedOut: "timed_out"
        case .disconnected: "disconnected"
        case .authenticationFailed: "authentication_failed"
        case .encryptionFailed: "encryption_failed"
        case .staleDelivery: "stale_delivery"
        case .notFound: "not_found"
        case .accessRefused: "access_refused"
        case .resourceLocked: "resource_locked"
        case .preconditionFailed: "precondition_failed"
        case .failed: "failed"
        case .consumerCancelled: "consumer_cancelled"
        case .cancelled: "cancelled"
        case .closed: "closed"
        }
    }
}
