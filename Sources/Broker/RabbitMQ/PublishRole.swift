/// A publish as it is asked for.
struct PublishRequest: Sendable {
    var message: OutgoingMessage
    var exchange: String
    var routingKey: String
    var mandatory: Bool
    var timeLimit: Duration
    var deadline: ContinuousClock.Instant
    var call: Call<Void>
}

/// The publishing connection: one channel in confirm mode, many publishes in flight.
///
/// What was sent and not confirmed when the channel or the connection goes is sent again on the next one.
final class PublishRole: LinkRole {
    enum Command: Sendable { case publish(PublishRequest) }

    /// Carries the delivery tag in mandatory messages: basic.return has no tag of its own, and one exchange, key or
    /// message id may be in flight many times.
    static let tagHeader = "x-rectifid-publish"
    /// Bytes of that header in the header table, with the table's length prefix.
    static let tagHeaderSize = 4 + 1 + tagHeader.utf8.count + 9

    private final class Pending {
        var request: PublishRequest
        var isReturned = false
        init(_ request: PublishRequest) { self.request = request }
    }

    private enum Phase { case offline, opening, ready }

    private static let channel: UInt16 = 1

    var outbox = Outbox()
    private(set) var nextDeadline: ContinuousClock.Instant?
    private var phase = Phase.offline
    private var payloadLimit = 0
    private var waiting = Fifo<Pending>()
    private var ledger = ConfirmLedger<Pending>()
    /// A basic.return whose content header has not come yet.
    private var expectsReturnedHeader = false
    private var blockedReason: String?
    private var lastError: BrokerError?

    func connected(payloadLimit: Int) {
        self.payloadLimit = payloadLimit
        openChannel()
    }

    func disconnected(_ error: BrokerError) {
        lastError = error
        blockedReason = nil
        phase = .offline
        sendAgain(ledger.drain())
    }

    func handle(_ command: Command) {
        switch command {
        case .publish(let request):
            waiting.append(Pending(request))
            nextDeadline = min(nextDeadline ?? request.deadline, request.deadline)
        }
    }

    func blocked(_ reason: String?) { blockedReason = reason }

    func refillOutbox() {
        guard phase == .ready, blockedReason == nil else { return }
        // Few at a time: what still waits here can time out without having been sent.
        while outbox.count < 64, let next = waiting.removeFirst() { send(next) }
    }

    private func send(_ pending: Pending) {
        let request = pending.request
        guard !request.call.isAnswered else { return }
        let tag = ledger.append(pending)
        var message = request.message
        if request.mandatory { message.properties.headers[Self.tagHeader] = .int64(Int64(clamping: tag)) }
        outbox.append(
            message,
            by: .publish(exchange: request.exchange, routingKey: request.routingKey, mandatory: request.mandatory),
            on: Self.channel)
    }

    // MARK: Frames

    func received(_ frame: WireConnection.Frame, on channel: UInt16) throws(BrokerError) {
        guard channel == Self.channel else { return }
        switch frame {
        case .method(let method): received(method)
        case .header(_, let properties):
            guard expectsReturnedHeader else { return }
            expectsReturnedHeader = false
            if let tag = properties.headers[Self.tagHeader]?.int64Value, let tag = UInt64(exactly: tag) {
                // The confirm follows the return, so the answer waits for it.
                ledger[tag]?.isReturned = true
            }
        case .body: break  // The body of a returned message: it is still here.
        }
    }

    private func received(_ method: ServerMethod) {
        switch method {
        case .channelOpened: outbox.append(.selectConfirms, on: Self.channel)
        case .confirmsSelected: phase = .ready
        case .acknowledged(let tag, let multiple):
            for pending in ledger.settle(tag, multiple: multiple) {
                let request = pending.request
                request.call.answer(
                    pending.isReturned
                        ? .failure(.unroutable(exchange: request.exchange, routingKey: request.routingKey))
                        : .success(()))
            }
        case .refused(let tag, let multiple):
            for pending in ledger.settle(tag, multiple: multiple) {
                let request = pending.request
                request.call.fail(.refused(exchange: request.exchange, routingKey: request.routingKey))
            }
        case .returned: expectsReturnedHeader = true
        case .channelClosed(let code, let text, _): channelClosed(BrokerError(replyCode: code, text: text))
        default: break
        }
    }

    private func openChannel() {
        phase = .opening
        expectsReturnedHeader = false
        outbox.append(.openChannel, on: Self.channel)
    }

    /// An error closes the channel for all publishes on it, though one alone has caused it.
    private func channelClosed(_ error: BrokerError) {
        outbox.removeAll(on: Self.channel)
        outbox.append(.confirmChannelClosed, on: Self.channel)
        let inFlight = ledger.drain()
        let culprits = inFlight.filter { Self.isAbout($0.request.exchange, error) }
        if culprits.isEmpty {
            // A channel error names no message: sending all again would fail again.
            for pending in inFlight { pending.request.call.fail(error) }
        } else {
            for pending in culprits { pending.request.call.fail(error) }
            sendAgain(inFlight.filter { !Self.isAbout($0.request.exchange, error) })
        }
        openChannel()
    }

    /// Whether an error text names this exchange: "no exchange 'x' in vhost", "access to exchange 'x' in vhost".
    private static func isAbout(_ exchange: String, _ error: BrokerError) -> Bool {
        switch error {
        case .notFound(let text), .accessRefused(let text): text.contains("exchange '\(exchange)' in vhost")
        default: false
        }
    }

    private func sendAgain(_ inFlight: [Pending]) {
        for pending in inFlight { pending.isReturned = false }
        waiting = Fifo(inFlight + waiting.all)
    }

    // MARK: Time

    func expire(_ now: ContinuousClock.Instant) {
        let reason = blockedReason.map { "blocked: \($0)" } ?? (phase == .ready ? nil : lastError?.description)
        let all = Array(ledger.all) + waiting.all
        for pending in all where pending.request.deadline <= now {
            let limit = pending.request.timeLimit
            pending.request.call.fail(.timedOut(operation: "publish", after: limit, reason: reason))
            pending.request.message.body = []
        }
        waiting.removeAll { $0.request.call.isAnswered }
        nextDeadline = all.filter { !$0.request.call.isAnswered }.map(\.request.deadline).min()
    }

    func shutDown() {
        for pending in ledger.drain() + waiting.all { pending.request.call.fail(.closed) }
        waiting.removeAll()
        // A message half sent cannot be finished nor taken back: the connection ends without a goodbye.
    }
}
