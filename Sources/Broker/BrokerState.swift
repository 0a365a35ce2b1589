import Synchronization

/// The health of a broker connection.
public enum BrokerState: Sendable, Equatable {
    /// No connection yet, or the next attempt is under way.
    case connecting
    case connected
    /// The broker is short of memory or disk and takes no messages; publishes wait, deliveries go on.
    case blocked(reason: String)
    /// The connection was lost or refused; the next attempt follows by itself.
    case disconnected(BrokerError)
    /// Closed by ``Broker/close()``.
    case closed
}

/// The current state and its subscribers.
final class StateBoard: Sendable {
    private struct Contents {
        var state = BrokerState.connecting
        var subscribers: [UInt64: AsyncStream<BrokerState>.Continuation] = [:]
        var nextSubscriber: UInt64 = 0
    }

    private let contents = Mutex(Contents())

    var state: BrokerState { contents.withLock { $0.state } }

    /// Publishes a state; the same state twice is said once, and nothing follows ``BrokerState/closed``.
    func set(_ state: BrokerState) {
        let subscribers = contents.withLock { contents -> [AsyncStream<BrokerState>.Continuation] in
            guard contents.state != state, contents.state != .closed else { return [] }
            contents.state = state
            return Array(contents.subscribers.values)
        }
        for subscriber in subscribers {
            subscriber.yield(state)
            if state == .closed { subscriber.finish() }
        }
    }

    /// A new subscription, beginning with the current state.
    func subscribe() -> AsyncStream<BrokerState> {
        let (stream, continuation) = AsyncStream.makeStream(of: BrokerState.self, bufferingPolicy: .bufferingNewest(16))
        let (id, current) = contents.withLock { contents -> (UInt64, BrokerState) in
            let id = contents.nextSubscriber
            contents.nextSubscriber += 1
            // Yielded under the lock so that a concurrent change cannot come before the first state.
            continuation.yield(contents.state)
            if contents.state != .closed { contents.subscribers[id] = continuation }
            return (id, contents.state)
        }
        if current == .closed { continuation.finish() }
        continuation.onTermination = { [weak self] _ in
            self?.contents.withLock { _ = $0.subscribers.removeValue(forKey: id) }
        }
        return stream
    }
}
