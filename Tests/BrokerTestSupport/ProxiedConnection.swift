import Glibc

/// One connection through the proxy: two sockets, and what is under way between them.
final class ProxiedConnection {
    typealias Instant = ContinuousClock.Instant

    /// What has been read and not sent on.
    private struct Lane {
        var pieces: [(due: Instant, bytes: ArraySlice<UInt8>)] = []
        var isAtEnd = false
        /// Whether the end was passed on.
        var isShut = false
        /// Bytes that a throttled lane may send now.
        var allowance = 0.0
        var refilled: Instant?

        var count: Int { pieces.reduce(0) { $0 + $1.bytes.count } }
    }

    private let client: Int32
    private let broker: Int32
    private var lanes = [Lane(), Lane()]
    private(set) var isOpen = true
    /// Takes bytes and passes none on.
    var swallows = false
    /// The first bytes of the client, which hold the connection's name.
    private var opening: [UInt8] = []

    /// So little that a slow connection is felt at its other end.
    private static let capacity = 64 << 10

    init(client: Int32, broker: Int32) {
        self.client = client
        self.broker = broker
        for descriptor in [client, broker] {
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    func isNamed(_ name: String?) -> Bool {
        guard let name else { return true }
        return String(decoding: opening, as: UTF8.self).contains(name)
    }

    /// Resets both sides; what is under way is lost.
    func cut() {
        guard isOpen else { return }
        isOpen = false
        LoopbackSocket.reset(client)
        LoopbackSocket.reset(broker)
    }

    /// Ends the client's receiving side; what the client sends still goes on.
    func halfClose() {
        guard isOpen, !lanes[FaultProxy.Direction.toClient.rawValue].isShut else { return }
        shutdown(client, Int32(SHUT_WR))
        lanes[FaultProxy.Direction.toClient.rawValue].isShut = true
    }

    private func source(_ direction: FaultProxy.Direction) -> Int32 { direction == .toBroker ? client : broker }
    private func target(_ direction: FaultProxy.Direction) -> Int32 { direction == .toBroker ? broker : client }

    /// Reads and sends on what it can; returns how many bytes were sent on, at most `limit`.
    func move(
        _ direction: FaultProxy.Direction, _ weather: FaultProxy.Weather, limit: Int?, _ now: Instant
    ) -> Int {
        take(direction, weather, now)
        guard isOpen, !swallows else {
            if isOpen, lanes[0].isAtEnd, lanes[1].isAtEnd { end() }
            return 0
        }
        refill(direction, weather, now)
        if lanes[direction.rawValue].isShut { lanes[direction.rawValue].pieces = [] }
        var sent = 0
        while let piece = lanes[direction.rawValue].pieces.first, piece.due <= now {
            var count = piece.bytes.count
            if let limit { count = min(count, limit - sent) }
            if weather.rate != nil { count = min(count, Int(lanes[direction.rawValue].allowance)) }
            guard count > 0 else { break }
            let written = piece.bytes.prefix(count).withUnsafeBytes {
                send(target(direction), $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard written > 0 else {
                if written < 0, errno != EAGAIN { cut() }
                break
            }
            sent += written
            lanes[direction.rawValue].allowance -= Double(written)
            if written == piece.bytes.count {
                lanes[direction.rawValue].pieces.removeFirst()
            } else {
                lanes[direction.rawValue].pieces[0].bytes.removeFirst(written)
            }
        }
        passEndOn(direction)
        return sent
    }

    private func take(_ direction: FaultProxy.Direction, _ weather: FaultProxy.Weather, _ now: Instant) {
        guard !lanes[direction.rawValue].isAtEnd else { return }
        while isOpen, swallows || lanes[direction.rawValue].count < Self.capacity {
            var piece = [UInt8](repeating: 0, count: 16 << 10)
            let count = recv(source(direction), &piece, piece.count, 0)
            if count > 0 {
                if direction == .toBroker, opening.count < 4096 { opening += piece[..<count] }
                if !swallows { lanes[direction.rawValue].pieces.append((now + weather.delay, piece[..<count])) }
                continue
            }
            if count < 0, errno == EAGAIN { return }
            // A black hole says nothing of its other end.
            if swallows || count == 0 { lanes[direction.rawValue].isAtEnd = true } else { cut() }
            return
        }
    }

    private func refill(_ direction: FaultProxy.Direction, _ weather: FaultProxy.Weather, _ now: Instant) {
        guard let rate = weather.rate else { return }
        let elapsed = lanes[direction.rawValue].refilled.map { $0.duration(to: now) / .seconds(1) } ?? 0
        lanes[direction.rawValue].refilled = now
        let most = max(Double(rate) / 10, 1)
        lanes[direction.rawValue].allowance = min(
            max(lanes[direction.rawValue].allowance, 0) + elapsed * Double(rate), most)
    }

    private func passEndOn(_ direction: FaultProxy.Direction) {
        let lane = lanes[direction.rawValue]
        if lane.isAtEnd, lane.pieces.isEmpty, !lane.isShut {
            lanes[direction.rawValue].isShut = true
            shutdown(target(direction), Int32(SHUT_WR))
        }
        if isOpen, lanes.allSatisfy({ $0.isShut && $0.isAtEnd }) { end() }
    }

    private func end() {
        isOpen = false
        close(client)
        close(broker)
    }

    /// What a direction waits for: readiness of its sockets, or a point in time.
    func wish(
        _ direction: FaultProxy.Direction, _ weather: FaultProxy.Weather, _ now: Instant
    ) -> (descriptors: [pollfd], at: Instant?) {
        let lane = lanes[direction.rawValue]
        var descriptors: [pollfd] = []
        var at: Instant?
        if !lane.isAtEnd, swallows || lane.count < Self.capacity {
            descriptors.append(pollfd(fd: source(direction), events: Int16(POLLIN), revents: 0))
        }
        if !swallows, let first = lane.pieces.first {
            if first.due > now {
                at = first.due
            } else if weather.rate != nil, lane.allowance < 1 {
                at = now + .milliseconds(20)
            } else {
                descriptors.append(pollfd(fd: target(direction), events: Int16(POLLOUT), revents: 0))
            }
        }
        return (descriptors, at)
    }
}
