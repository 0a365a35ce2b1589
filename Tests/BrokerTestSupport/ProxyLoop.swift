import Glibc
import Synchronization

/// The proxy's thread: takes connections, moves bytes, obeys commands.
final class ProxyLoop: @unchecked Sendable {
    // Safe: made by one thread, then run and left to the other.
    typealias Instant = ContinuousClock.Instant

    private let listener: Int32
    private let brokerPort: UInt16
    private let board: FaultProxy.Board
    private var connections: [ProxiedConnection] = []
    private var weather = [FaultProxy.Weather(), FaultProxy.Weather()]
    private var refuses = false
    private var swallows = false
    private var plannedCut: (bytes: Int, direction: FaultProxy.Direction, name: String?)?

    init(listener: Int32, brokerPort: UInt16, board: FaultProxy.Board) {
        self.listener = listener
        self.brokerPort = brokerPort
        self.board = board
    }

    func run() {
        var isStopped = false
        while !isStopped {
            wait()
            for command in takeCommands() {
                if case .stop = command { isStopped = true }
                obey(command)
            }
            acceptAll()
            let now = ContinuousClock.now
            for connection in connections { move(connection, now) }
            forgetClosed()
        }
        for connection in connections { connection.cut() }
        close(listener)
        board.end()
    }

    // MARK: Commands

    private func takeCommands() -> [FaultProxy.Command] {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(board.wakeReader, &bytes, bytes.count) > 0 {}
        return board.contents.withLock { contents in
            defer { contents.commands = [] }
            return contents.commands
        }
    }

    private func obey(_ command: FaultProxy.Command) {
        switch command {
        case .weather(let direction, let weather): self.weather[direction.rawValue] = weather
        case .refuse(let refuses): self.refuses = refuses
        case .swallow(let all):
            swallows = all
            if all { for connection in connections { connection.swallows = true } }
        case .cut(let name):
            for connection in connections where connection.isNamed(name) { cut(connection) }
        case .cutAfter(let bytes, let direction, let name): plannedCut = (bytes, direction, name)
        case .halfClose: for connection in connections { connection.halfClose() }
        case .stop: break
        }
    }

    private func cut(_ connection: ProxiedConnection) {
        guard connection.isOpen else { return }
        connection.cut()
        board.count { $0.cut += 1 }
    }

    // MARK: Connections

    private func acceptAll() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { return }
            LoopbackSocket.unblock(client)
            guard !refuses, let broker = LoopbackSocket.connect(port: brokerPort) else {
                LoopbackSocket.reset(client)
                board.count { $0.accepted += 1 }
                continue
            }
            let connection = ProxiedConnection(client: client, broker: broker)
            connection.swallows = swallows
            connections.append(connection)
            board.count { counts in
                counts.accepted += 1
                counts.open += 1
            }
        }
    }

    private func forgetClosed() {
        let closed = connections.count { !$0.isOpen }
        guard closed > 0 else { return }
        connections.removeAll { !$0.isOpen }
        board.count { $0.open -= closed }
    }

    private func move(_ connection: ProxiedConnection, _ now: Instant) {
        for direction in FaultProxy.Direction.allCases where connection.isOpen {
            var limit: Int?
            if let plan = plannedCut, plan.direction == direction, connection.isNamed(plan.name) { limit = plan.bytes }
            let moved = connection.move(direction, weather[direction.rawValue], limit: limit, now)
            guard moved > 0 else { continue }
            board.count { counts in
                if direction == .toBroker { counts.bytesToBroker += moved } else { counts.bytesToClient += moved }
            }
            guard let limit else { continue }
            plannedCut?.bytes -= moved
            if moved >= limit {
                plannedCut = nil
                cut(connection)
            }
        }
    }

    // MARK: Waiting

    /// Sleeps until a socket, a command or a delay needs attention.
    private func wait() {
        let now = ContinuousClock.now
        var descriptors = [
            pollfd(fd: board.wakeReader, events: Int16(POLLIN), revents: 0),
            pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
        ]
        var next: Instant?
        for connection in connections {
            for direction in FaultProxy.Direction.allCases {
                let wish = connection.wish(direction, weather[direction.rawValue], now)
                descriptors += wish.descriptors
                if let at = wish.at { next = min(next ?? at, at) }
            }
        }
        var timeout: Int32 = -1
        if let next {
            let (seconds, attoseconds) = now.duration(to: next).components
            timeout = Int32(clamping: max(seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1, 0))
        }
        poll(&descriptors, nfds_t(descriptors.count), timeout)
    }
}
