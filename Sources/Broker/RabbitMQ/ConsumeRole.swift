import Logging

/// The consuming connection: subscriptions and gets on channels of their own, and one channel for declarations.
///
/// It never publishes, so a broker that blocks publishers still delivers, declares and takes acknowledgements here.
final class ConsumeRole: LinkRole {
    enum Settlement: Sendable { case acknowledge, reject(requeue: Bool), release }

    enum Command: Sendable {
        case control(ControlJob)
        case forget(ForgottenName)
        case subscribe(SubscribeRequest)
        case unsubscribe(UInt64, Call<Void>)
        case get(queue: String, GetRequest)
        case settle(Receipt, Settlement, Call<Void>)
        /// Gives some of the first back, and answers how far that came.
        case release(ArraySlice<Receipt>, Call<Returned>)
    }

    enum ForgottenName: Sendable { case queue(String), exchange(String) }

    var outbox = Outbox()
    private(set) var nextDeadline: ContinuousClock.Instant?
    let logger: Logger
    let callTimeLimit: Duration
    let maximumBodySize: Int
    var random = SystemRandomNumberGenerator()

    var isOnline = false
    /// Whether the topology is declared on this connection, so that subscriptions can be made.
    var isRecovered = false
    var lastError: BrokerError?
    var channels: [UInt16: Channel] = [:]
    var channelsByEpoch: [UInt64: Channel] = [:]
    var control: Channel?
    var jobs = Fifo<ControlJob>()
    var isJobInFlight = false
    var remembered: [ClientMethod] = []
    var recoveryRetryAt: ContinuousClock.Instant?
    var recoveryBackoff = Backoff(initial: .milliseconds(200), maximum: .seconds(10))
    var subscriptions: [UInt64: Subscription] = [:]
    var getLines: [String: GetLine] = [:]

    init(configuration: RabbitMQConfiguration, logger: Logger) {
        callTimeLimit = configuration.callTimeLimit
        maximumBodySize = configuration.maximumBodySize
        self.logger = logger
    }

    // MARK: Connection

    func connected(payloadLimit: Int) {
        isOnline = true
        recover()
        for line in getLines.values { advance(line) }
    }

    func disconnected(_ error: BrokerError) {
        isOnline = false
        isRecovered = false
        lastError = error
        channels = [:]
        channelsByEpoch = [:]
        control = nil
        isJobInFlight = false
        recoveryRetryAt = nil
        // What was under way starts again; what was only for the lost connection is made anew.
        jobs = Fifo(
            jobs.all.filter { $0.recovery == nil }.map { job in
                var job = job
                job.position = 0
                return job
            })
        for line in getLines.values {
            line.channel = nil
            line.isAsking = false
        }
        for subscription in subscriptions.values {
            subscription.channel = nil
            subscription.retryAt = nil
            // The broker gives these again: their receipts are worth nothing now.
            subscription.request.buffer.removeAll()
            if let call = subscription.cancelCall {
                subscription.request.buffer.finish()
                call.answer(.success(()))
                subscriptions[subscription.request.id] = nil
            }
        }
    }

    func blocked(_ reason: String?) {}

    func refillOutbox() {}

    // MARK: Commands

    func handle(_ command: Command) {
        switch command {
        case .control(let job):
            jobs.append(job)
            noteDeadline(job.deadline)
            advanceJobs()
        case .forget(let name): forget(name)
        case .subscribe(let request):
            let subscription = Subscription(request)
            subscriptions[request.id] = subscription
            noteDeadline(request.deadline)
            if isRecovered { subscribe(subscription) }
        case .unsubscribe(let id, let call): unsubscribe(id, call)
        case .get(let queue, let request):
            let line = getLines[queue] ?? GetLine(queue: queue)
            getLines[queue] = line
            line.requests.append(request)
            noteDeadline(request.deadline)
            advance(line)
        case .settle(let receipt, let settlement, let call):
            call.answer(settle(receipt, settlement) ? .success(()) : .failure(.staleDelivery))
        case .release(let receipts, let call): call.answer(.success(release(receipts)))
        }
    }

    /// Sends a settlement; false when the delivery is not open on a channel that lives.
    ///
    /// A wrong tag must never reach the broker: it would close the channel and so give back every other delivery.
    @discardableResult
    func settle(_ receipt: Receipt, _ settlement: Settlement) -> Bool {
        guard let channel = channelsByEpoch[receipt.channelEpoch], !channel.isClosing,
            channel.unsettled.remove(receipt.deliveryTag) != nil
        else { return false }
        let tag = receipt.deliveryTag
        switch settlement {
        // A stream takes nothing back, and RabbitMQ 3.10 closes the connection of who tries.
        case .reject where channel.isOfStream, .release where channel.isOfStream:
            outbox.append(.acknowledge(tag: tag), on: channel.number)
        case .acknowledge: outbox.append(.acknowledge(tag: tag), on: channel.number)
        case .reject(let requeue): outbox.append(.reject(tag: tag, requeue: requeue), on: channel.number)
        case .release: outbox.append(.release(tag: tag), on: channel.number)
        }
        closeIfDone(channel)
        return true
    }

    // MARK: Channels

    func openChannel(_ use: Channel.Use) -> Channel? {
        guard let number = (UInt16(1)...2047).first(where: { channels[$0] == nil }) else { return nil }
        let channel = Channel(number: number, epoch: Receipt.nextEpoch(), use: use)
        channels[number] = channel
        channelsByEpoch[channel.epoch] = channel
        outbox.append(.openChannel, on: number)
        return channel
    }

    func closeIfDone(_ channel: Channel) {
        guard channel.isEnding, channel.unsettled.isEmpty, !channel.isClosing else { return }
        channel.isClosing = true
        outbox.append(.closeChannel, on: channel.number)
    }

    func forgetChannel(_ channel: Channel) {
        channels[channel.number] = nil
        channelsByEpoch[channel.epoch] = nil
    }

    // MARK: Frames

    func received(_ frame: WireConnection.Frame, on number: UInt16) throws(BrokerError) {
        guard let channel = channels[number] else { return }
        switch frame {
        case .method(let method): received(method, on: channel)
        case .header(let bodySize, let properties):
            let hasRoom =
                if case .subscription(let subscription) = channel.use { subscription.makeRoom(for: bodySize) } else {
                    true
                }
            channel.assembly?.begin(properties, bodySize: bodySize, limit: hasRoom ? maximumBodySize : nil)
            completeDelivery(on: channel)
        case .body(let piece):
            channel.assembly?.append(piece)
            completeDelivery(on: channel)
        }
    }

    private func received(_ method: ServerMethod, on channel: Channel) {
        switch method {
        case .delivered(let tag, let isRedelivered, let exchange, let key),
            .got(let tag, let isRedelivered, let exchange, let key):
            channel.assembly = Assembly(tag: tag, isRedelivered: isRedelivered, exchange: exchange, routingKey: key)
        case .channelOpened:
            channel.isOpen = true
            if !channel.isEnding { opened(channel) }
        case .channelCloseConfirmed: if channel.isClosing { forgetChannel(channel) }
        case .channelClosed(let code, let text, let isAnswer):
            outbox.removeAll(on: channel.number)
            outbox.append(.confirmChannelClosed, on: channel.number)
            forgetChannel(channel)
            closed(channel, BrokerError(replyCode: code, text: text), isAnswer: isAnswer)
        default: answered(method, on: channel)
        }
    }

    private func opened(_ channel: Channel) {
        switch channel.use {
        case .control: advanceJobs()
        case .subscription(let subscription): begin(subscription, on: channel)
        case .get(let line): advance(line)
        }
    }

    private func closed(_ channel: Channel, _ error: BrokerError, isAnswer: Bool) {
        switch channel.use {
        case .control:
            control = nil
            failJob(error)
        case .subscription(let subscription): interrupted(subscription, on: channel, error)
        case .get(let line):
            line.channel = nil
            // Closed for what else came on it, such as a delivery held for too long: who asks is asked for again.
            if line.isAsking, isAnswer { line.requests.removeFirst()?.call.fail(error) }
            line.isAsking = false
            advance(line)
        }
    }

    private func answered(_ method: ServerMethod, on channel: Channel) {
        switch channel.use {
        case .control: completeStep(method)
        case .subscription(let subscription): answered(method, to: subscription, on: channel)
        case .get(let line):
            guard case .gotNothing = method else { return }
            line.isAsking = false
            line.requests.removeFirst()?.call.answer(.success(nil))
            advance(line)
        }
    }

    private func completeDelivery(on channel: Channel) {
        guard let assembly = channel.assembly, assembly.isComplete else { return }
        channel.assembly = nil
        channel.unsettled.insert(assembly.tag)
        switch channel.use {
        case .control: break
        case .subscription(let subscription):
            let delivery = assembly.delivery(from: subscription.request.queue, channelEpoch: channel.epoch)
            if !subscription.request.buffer.push(delivery) { settle(delivery.receipt, .release) }
        case .get(let line):
            let delivery = assembly.delivery(from: line.queue, channelEpoch: channel.epoch)
            line.isAsking = false
            let isTaken = line.requests.removeFirst()?.call.answer(.success(delivery)) ?? false
            if !isTaken { settle(delivery.receipt, .release) }
            advance(line)
        }
    }

    // MARK: Time

    func noteDeadline(_ deadline: ContinuousClock.Instant?) {
        guard let deadline else { return }
        nextDeadline = min(nextDeadline ?? deadline, deadline)
    }

    func expire(_ now: ContinuousClock.Instant) {
        nextDeadline = nil
        if let at = recoveryRetryAt, at <= now, isOnline {
            recoveryRetryAt = nil
            recover()
        }
        noteDeadline(recoveryRetryAt)
        expireJobs(now)
        expireSubscriptions(now)
        for line in getLines.values {
            for request in line.requests.all where request.deadline <= now { request.call.fail(timedOut("get")) }
            // The one being asked stays: its answer will come, find the call answered and go back to the queue.
            let asked = line.isAsking ? line.requests.removeFirst() : nil
            line.requests.removeAll { $0.call.isAnswered }
            line.requests = Fifo([asked].compactMap { $0 } + line.requests.all)
            for request in line.requests.all where !request.call.isAnswered { noteDeadline(request.deadline) }
        }
    }

    func timedOut(_ operation: String) -> BrokerError {
        .timedOut(operation: operation, after: callTimeLimit, reason: isOnline ? nil : lastError?.description)
    }

    func shutDown() {
        for job in jobs.all { job.call?.fail(.closed) }
        for subscription in subscriptions.values {
            subscription.request.call.fail(.closed)
            subscription.cancelCall?.answer(.success(()))
            subscription.request.buffer.finish()
        }
        for line in getLines.values {
            for request in line.requests.all { request.call.fail(.closed) }
        }
    }
}
