import Glibc
import Logging

/// One connection and the thread that owns it: connects for ever, pumps frames and heartbeats, obeys a mailbox.
final class Link<Role: LinkRole> {
    enum Message: Sendable {
        case command(Role.Command)
        case connected(Handover)
        case failed(BrokerError)
        case close(Call<Void>)
    }

    /// Carries a connection from the thread that made it to the one that uses it.
    struct Handover: @unchecked Sendable {
        // Safe: the sender keeps no reference, so one thread at a time has the connection.
        let wire: WireConnection
        /// Which node of a cluster it leads to.
        let node: AMQPEndpoint
    }

    typealias Instant = ContinuousClock.Instant

    private let mailbox: Mailbox<Message>
    private let connector: Connector
    private let report: (BrokerState) -> Void
    private let logger: Logger
    private let watch: LoopWatch
    private let role: Role
    private var backoff: Backoff
    private var random = SystemRandomNumberGenerator()
    private var wire: WireConnection?
    private var reconnectAt: Instant?
    private var connectedAt: Instant?
    private var nextHeartbeat: Instant?
    private var mayHaveInput = false
    private var closing: Call<Void>?

    private init(
        mailbox: Mailbox<Message>, connector: Connector, report: @escaping (BrokerState) -> Void, logger: Logger,
        watch: LoopWatch, role: Role
    ) {
        self.mailbox = mailbox
        self.connector = connector
        self.report = report
        self.logger = logger
        self.watch = watch
        self.role = role
        backoff = connector.configuration.backoff
    }

    /// Starts the thread; the role is made on it and never leaves it.
    static func start(
        _ mailbox: Mailbox<Message>, connector: Connector, logger: Logger, watch: LoopWatch,
        report: @escaping @Sendable (BrokerState) -> Void, role: @escaping @Sendable () -> Role
    ) -> Bool {
        BrokerThread.start {
            Link(mailbox: mailbox, connector: connector, report: report, logger: logger, watch: watch, role: role())
                .run()
        }
    }

    private func run() {
        // From the first round on: what comes before the first sleep can hang too.
        watch.works()
        connect()
        while true {
            let now = ContinuousClock.now
            for message in mailbox.takeAll() { handle(message) }
            guard closing == nil else { break }
            if let deadline = role.nextDeadline, deadline <= now { role.expire(now) }
            if let reconnectAt, reconnectAt <= now { connect() }
            if let wire {
                do throws(BrokerError) { try exchange(wire, now) } catch { lose(error) }
            }
            wait()
        }
        shutDown()
        watch.sleeps(milliseconds: -1)
    }

    private func handle(_ message: Message) {
        switch message {
        case .command(let command): role.handle(command)
        case .connected(let handover): adopt(handover)
        case .failed(let error): lose(error)
        case .close(let call): closing = call
        }
    }

    // MARK: Connection

    /// Connects on a thread of its own, since name resolution and handshakes block.
    private func connect() {
        reconnectAt = nil
        report(.connecting)
        let started = BrokerThread.start { [mailbox, connector] in
            do throws(BrokerError) {
                let (wire, node) = try connector.connect()
                mailbox.post(.connected(Handover(wire: wire, node: node)))
            } catch {
                mailbox.post(.failed(error))
            }
        }
        if !started { lose(.disconnected("the system gives no thread")) }
    }

    private func adopt(_ handover: Handover) {
        guard self.wire == nil else { return }
        let wire = handover.wire
        self.wire = wire
        reconnectAt = nil
        connectedAt = .now
        nextHeartbeat = wire.heartbeat > .zero ? .now + wire.heartbeat / 2 : nil
        mayHaveInput = true
        logger.info("connected", metadata: ["broker": "\(handover.node)"])
        role.connected(payloadLimit: wire.payloadLimit)
        report(.connected)
    }

    private func lose(_ error: BrokerError) {
        // A broker that takes connections only to drop them must not be asked in a tight loop.
        if let connectedAt, connectedAt.duration(to: .now) > .seconds(10) { backoff.reset() }
        let delay = backoff.next(using: &random)
        logger.warning("not connected", metadata: ["error": "\(error)", "retry": "\(delay)"])
        wire = nil
        connectedAt = nil
        nextHeartbeat = nil
        role.outbox.removeAll()
        role.disconnected(error)
        report(.disconnected(error))
        reconnectAt = .now + delay
    }

    private func shutDown() {
        for case .connected(let handover) in mailbox.close() { handover.wire.close() }
        role.shutDown()
        if let wire {
            // Settlements already accepted go out first; a broker that takes nothing is not waited for.
            let limit = ContinuousClock.now + .seconds(1)
            while !role.outbox.isEmpty, ContinuousClock.now < limit, Self.isWritable(wire, within: 100) {
                do throws(BrokerError) { try role.outbox.send(through: wire) } catch { break }
            }
            if role.outbox.isEmpty { wire.close() }
        }
        wire = nil
        report(.closed)
        closing?.answer(.success(()))
    }

    // MARK: Frames

    private func exchange(_ wire: WireConnection, _ now: Instant) throws(BrokerError) {
        let heartbeatDue = nextHeartbeat.map { $0 <= now } ?? false
        if mayHaveInput || heartbeatDue {
            // The library watches for the broker's heartbeats only while it receives.
            mayHaveInput = try wire.receive(limit: 256) { channel, frame throws(BrokerError) in
                try dispatch(frame, on: channel)
            }
        }
        if heartbeatDue {
            if Self.isWritable(wire, within: 0) { try wire.sendHeartbeat() }
            nextHeartbeat = now + wire.heartbeat / 2
        }
        if role.outbox.isEmpty { role.refillOutbox() }
        try flush(wire)
    }

    private func flush(_ wire: WireConnection) throws(BrokerError) {
        guard !role.outbox.isEmpty else { return }
        let isBurst = role.outbox.count > 1
        if isBurst { wire.cork(true) }
        // Bounded so that a large body does not keep incoming frames and the mailbox waiting.
        for _ in 0..<32 where !role.outbox.isEmpty && Self.isWritable(wire, within: 0) {
            try role.outbox.send(through: wire)
            if role.outbox.isEmpty { role.refillOutbox() }
        }
        if isBurst { wire.cork(false) }
    }

    private func dispatch(_ frame: WireConnection.Frame, on channel: UInt16) throws(BrokerError) {
        guard channel == 0 else { return try role.received(frame, on: channel) }
        guard case .method(let method) = frame else { return }
        switch method {
        case .blocked(let reason):
            logger.warning("blocked by the broker", metadata: ["reason": "\(reason)"])
            role.blocked(reason)
            report(.blocked(reason: reason))
        case .unblocked:
            role.blocked(nil)
            report(.connected)
        case .connectionClosed(let code, let text):
            try? wire?.send(.confirmConnectionClosed, on: 0)
            throw .disconnected("closed by the broker: \(code) \(text)")
        default: break
        }
    }

    // MARK: Waiting

    /// Sleeps until the socket, the mailbox or a time limit needs attention.
    private func wait() {
        var descriptors = [pollfd(fd: mailbox.descriptor, events: Int16(POLLIN), revents: 0)]
        if let wire {
            let events = role.outbox.isEmpty ? POLLIN : POLLIN | POLLOUT
            descriptors.append(pollfd(fd: wire.descriptor, events: Int16(events), revents: 0))
        }
        let limit = mayHaveInput ? 0 : timeLimit()
        watch.sleeps(milliseconds: limit)
        poll(&descriptors, nfds_t(descriptors.count), limit)
        watch.works()
        if descriptors.count > 1, descriptors[1].revents & ~Int16(POLLOUT) != 0 { mayHaveInput = true }
    }

    /// Milliseconds until the next thing to do by itself; -1: none.
    private func timeLimit() -> Int32 {
        let instants = [role.nextDeadline, reconnectAt, nextHeartbeat].compactMap { $0 }
        guard let next = instants.min() else { return -1 }
        let (seconds, attoseconds) = ContinuousClock.now.duration(to: next).components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1
        return Int32(clamping: max(milliseconds, 0))
    }

    private static func isWritable(_ wire: WireConnection, within milliseconds: Int32) -> Bool {
        var descriptor = pollfd(fd: wire.descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&descriptor, 1, milliseconds) > 0 && descriptor.revents & Int16(POLLOUT) != 0
    }
}
