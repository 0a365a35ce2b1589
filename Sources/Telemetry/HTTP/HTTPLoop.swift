import Glibc

/// The thread of a server: one poll(2) over everything.
final class HTTPLoop {
    private typealias Instant = ContinuousClock.Instant

    private final class Connection {
        enum Phase {
            case reading
            case writing([UInt8], sent: Int)
            /// The answer is sent; what still comes in is dropped, since closing at once would make the system send a
            /// reset, which can overtake the answer.
            case lingering
        }

        let socket: Socket
        var phase = Phase.reading
        var received: [UInt8] = []
        var deadline: Instant

        init(_ socket: Socket, deadline: Instant) {
            self.socket = socket
            self.deadline = deadline
        }
    }

    private let wake: Socket
    private let limits: HTTPServer.Limits
    private let respond: @Sendable (HTTPRequest) -> HTTPResponse
    private var listener: Socket?
    /// Oldest first.
    private var connections: [Connection] = []
    private var listensAgainAt: Instant?

    init(
        _ listener: Socket, wake: Socket, limits: HTTPServer.Limits,
        respond: @escaping @Sendable (HTTPRequest) -> HTTPResponse
    ) {
        self.listener = listener
        self.wake = wake
        self.limits = limits
        self.respond = respond
    }

    func run(isStopping: () -> Bool) {
        while true {
            if isStopping(), listener != nil {
                listener = nil
                // Who has not asked yet is not waited for.
                connections.removeAll { if case .reading = $0.phase { true } else { false } }
                for connection in connections { connection.deadline = min(connection.deadline, .now + .seconds(1)) }
            }
            if listener == nil, connections.isEmpty { return }
            turn()
        }
    }

    private func turn() {
        let now = ContinuousClock.now
        if let instant = listensAgainAt, instant <= now { listensAgainAt = nil }
        var entries = [pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)]
        // A negative descriptor is passed over.
        entries.append(
            pollfd(fd: listensAgainAt == nil ? listener?.descriptor ?? -1 : -1, events: Int16(POLLIN), revents: 0))
        for connection in connections {
            let events = if case .writing = connection.phase { POLLOUT } else { POLLIN }
            entries.append(pollfd(fd: connection.socket.descriptor, events: Int16(events), revents: 0))
        }
        let next = (connections.map(\.deadline) + [listensAgainAt].compactMap { $0 }).min()
        guard poll(&entries, nfds_t(entries.count), next.map { now.duration(to: $0).pollMilliseconds } ?? -1) >= 0
        else { return }
        if entries[0].revents != 0 {
            var bytes = [UInt8](repeating: 0, count: 16)
            _ = Glibc.read(wake.descriptor, &bytes, bytes.count)
        }
        let ready = zip(connections, entries.dropFirst(2)).filter { $1.revents != 0 }.map { $0.0 }
        var closed = Set(ready.filter { !advance($0) }.map(ObjectIdentifier.init))
        let later = ContinuousClock.now
        for connection in connections where connection.deadline <= later {
            if !expire(connection) { closed.insert(ObjectIdentifier(connection)) }
        }
        connections.removeAll { closed.contains(ObjectIdentifier($0)) }
        if entries[1].revents != 0 { accept() }
    }

    private func accept() {
        // Bounded, so that a flood of connections does not keep the answers waiting.
        for _ in 0..<16 {
            guard let listener else { return }
            switch listener.accept() {
            case .none: return
            case .exhausted:
                if connections.isEmpty { listensAgainAt = .now + .milliseconds(200) } else { connections.removeFirst() }
                return
            case .connection(let socket):
                if connections.count >= limits.connections { connections.removeFirst() }
                connections.append(Connection(socket, deadline: .now + limits.time))
            }
        }
    }

    /// Reads or writes what is possible; false where the connection is done with.
    private func advance(_ connection: Connection) -> Bool {
        switch connection.phase {
        case .reading: return read(connection)
        case .writing(let bytes, let sent): return write(bytes, from: sent, to: connection)
        case .lingering:
            var dropped: [UInt8] = []
            return connection.socket.read(into: &dropped, limit: 16_384) != .ended
        }
    }

    private func read(_ connection: Connection) -> Bool {
        guard connection.socket.read(into: &connection.received, limit: HTTPRequestHead.limit) != .ended else {
            return false
        }
        switch HTTPRequestHead.read(connection.received) {
        case .more: return true
        case .refused(let response): return answer(response, headOnly: false, to: connection)
        case .request(let request):
            let isHead = request.method == "HEAD"
            guard isHead || request.method == "GET" else {
                return answer(
                    HTTPResponse(.methodNotAllowed, "GET and HEAD are possible"), headOnly: false, to: connection)
            }
            return answer(respond(request), headOnly: isHead, to: connection)
        }
    }

    private func answer(_ response: HTTPResponse, headOnly: Bool, to connection: Connection) -> Bool {
        connection.received = []
        connection.deadline = .now + limits.time
        return write(response.encoded(headOnly: headOnly), from: 0, to: connection)
    }

    private func write(_ bytes: [UInt8], from start: Int, to connection: Connection) -> Bool {
        var sent = start
        while sent < bytes.count {
            switch connection.socket.write(bytes[sent...]) {
            case .bytes(let count): sent += count
            case .ended: return false
            case .wouldBlock:
                connection.phase = .writing(bytes, sent: sent)
                return true
            }
        }
        connection.socket.endWriting()
        connection.phase = .lingering
        connection.deadline = .now + .seconds(1)
        return true
    }

    /// Ends what took too long; false where nothing is left to be said.
    private func expire(_ connection: Connection) -> Bool {
        guard case .reading = connection.phase, !connection.received.isEmpty else { return false }
        return answer(HTTPResponse(.requestTimeout, "the request came too slowly"), headOnly: false, to: connection)
    }
}
