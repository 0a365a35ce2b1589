import Synchronization

/// Joins the states of the two connections into the broker's: the worse one counts.
final class Health: Sendable {
    enum Side: Sendable { case consuming, publishing }

    private let sides = Mutex((consuming: BrokerState.connecting, publishing: BrokerState.connecting))
    let board = StateBoard()

    func set(_ state: BrokerState, of side: Side) {
        sides.withLock { sides in
            switch side {
            case .consuming: sides.consuming = state
            case .publishing: sides.publishing = state
            }
            board.set(
                Self.severity(sides.consuming) > Self.severity(sides.publishing) ? sides.consuming : sides.publishing)
        }
    }

    private static func severity(_ state: BrokerState) -> Int {
        switch state {
        case .connected: 0
        case .blocked: 1
        case .connecting: 2
        case .disconnected: 3
        case .closed: 4
        }
    }
}
