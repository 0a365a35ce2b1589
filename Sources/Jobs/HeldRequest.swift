import Broker
import Logging
import Messages
import RectifIDClient

/// A request that a worker has taken and not settled: every way it can leave.
///
/// In all of them something is published and confirmed first and the request acknowledged after, so that a crash between
/// the two repeats work but never loses a job.
struct HeldRequest: Sendable {
    let delivery: Delivery
    /// Where it came from, and goes when it is published again.
    let queue: WorkQueue
    let address: ReplyAddress
    let broker: any Broker
    let configuration: WorkerConfiguration
    let observer: any JobObserver
    let logger: Logger

    var lane: Lane { queue.lane }

    /// Publishes an event for the client, confirmed.
    ///
    /// - Parameter patience: How long to wait for a reply queue that is not there.
    /// - Throws: `BrokerError.unroutable` where there is no such queue.
    func reply(_ event: PersonalizeEvent, patience: Duration) async throws(BrokerError) {
        guard let replies = address.queue else { return }
        let message = address.message(event, at: configuration.wallTime.read())
        try await publish(
            event.isFinal ? .result : .event, message, exchange: "", routingKey: replies, unroutablePatience: patience)
    }

    /// Publishes an event that the job can do without; without its preview where it is too large with it.
    func notify(_ event: PersonalizeEvent) async {
        guard let replies = address.queue else { return }
        do {
            try await send(
                .event, address.message(event, at: configuration.wallTime.read()), exchange: "", routingKey: replies,
                timeLimit: .seconds(10))
        } catch .messageTooLarge where event.hasPreview {
            logger.debug("preview too large for a message: left out")
            await notify(event.withoutPreview)
        } catch {
            logger.debug("progress not delivered", metadata: ["error": "\(error)"])
        }
    }

    /// Publishes the request again, for another worker to go on from `state`.
    func publishForResumption(_ request: PersonalizeRequest, from state: ResumeState) async throws(BrokerError) {
        guard let body = await resumableBody(request, from: state) else {
            throw .messageTooLarge(
                bytes: state.encode().count + delivery.body.count, limit: configuration.messageLimits.maximumBytes)
        }
        var properties = properties(due: configuration.wallTime.read())
        // For whoever cannot read it in the state.
        properties.headers[JobHeader.nextSequence] = .int64(Int64(clamping: state.nextSequence))
        let message = OutgoingMessage(properties, body: body)
        do {
            try await publish(
                .resumption, message, exchange: configuration.pool.workExchange, routingKey: queue.routingKey,
                waitsForRoom: false)
        } catch .refused {
            // The lane is full. Where retries wait there is always room, and the broker keeps them there until there is
            // some in the lane: the state is not lost, and a worker that must end does not wait.
            let delay = configuration.pool.retryDelays.min() ?? .seconds(5)
            try await publish(
                .resumption, message, exchange: configuration.pool.retryExchange(delay), routingKey: queue.routingKey)
        }
    }

    /// Publishes the request to come again after the shortest delay, as it is.
    func publishForLater() async throws(BrokerError) {
        let delay = configuration.pool.retryDelays.min() ?? .seconds(5)
        let due = configuration.wallTime.read() + delay.milliseconds
        try await publish(
            .retry, OutgoingMessage(properties(due: due), body: delivery.body),
            exchange: configuration.pool.retryExchange(delay), routingKey: queue.routingKey)
    }

    /// Publishes the request to wait for its next attempt.
    ///
    /// - Parameter body: Instead of the request's own, where there is something better to try again with.
    func publishForRetry(
        afterAttempt attempt: Int, status: Status, nextSequence: UInt64, body: [UInt8]? = nil
    ) async throws(BrokerError) {
        let now = configuration.wallTime.read()
        let delay = configuration.pool.retryDelay(afterAttempt: attempt, atLeast: status.retryDelay)
        let wait = delay * (0.5 + 0.5 * configuration.retryJitter())
        var properties = properties(due: now + wait.milliseconds)
        // Spreads jobs that failed together. A queue expires messages only at its head, so one with less to wait may come
        // with the one before it: later than its own time, never later than the queue's.
        properties.expiration = .milliseconds(max(wait.milliseconds, 1))
        properties.headers[Wire.Header.attempt] = .int64(Int64(attempt))
        properties.headers[JobHeader.nextSequence] = .int64(Int64(clamping: nextSequence))
        if properties.headers[Wire.Header.deathFirstTime]?.int64Value == nil {
            properties.headers[Wire.Header.deathFirstTime] = .int64(now)
        }
        try await publish(
            .retry, OutgoingMessage(properties, body: body ?? delivery.body),
            exchange: configuration.pool.retryExchange(delay), routingKey: queue.routingKey)
    }

    /// Publishes the request to the dead letters.
    ///
    /// - Parameter body: Instead of the request's own, where there is something better to try again with.
    func publishAsDeadLetter(_ status: Status, attempts: Int, body: [UInt8]? = nil) async throws(BrokerError) {
        var properties = properties()
        let now = configuration.wallTime.read()
        let header = DeadLetterHeader(
            code: status.code.name, reason: status.message, attempts: attempts,
            firstTime: properties.headers[Wire.Header.deathFirstTime]?.int64Value ?? now, lastTime: now,
            worker: configuration.workerID)
        header.write(to: &properties.headers)
        try await publish(
            .deadLetter, OutgoingMessage(properties, body: body ?? delivery.body),
            exchange: configuration.pool.deadLetterExchange, routingKey: queue.routingKey)
    }

    /// Tells the broker that the request is dealt with.
    func acknowledge() async {
        do {
            try await broker.acknowledge(delivery.receipt)
        } catch {
            // What had to be published is; the broker gives the request to somebody again, who will repeat it.
            logger.warning("not acknowledged, will be delivered again", metadata: ["error": "\(error)"])
        }
    }

    /// Gives the request back as it came.
    func release() async {
        do {
            try await broker.release(delivery.receipt)
        } catch {
            logger.debug("not released, the broker takes it back itself", metadata: ["error": "\(error)"])
        }
    }

    /// Has the broker dead-letter the request, without the headers that explain why.
    func reject() async {
        do {
            try await broker.reject(delivery.receipt, requeue: false)
        } catch {
            logger.warning("not rejected, will be delivered again", metadata: ["error": "\(error)"])
        }
    }

    /// The request's properties as they may be published again.
    ///
    /// - Parameter due: When a worker can take it.
    private func properties(due: UnixMilliseconds? = nil) -> MessageProperties {
        var properties = delivery.properties.forRepublishing
        properties.headers[Wire.Header.due] = due.map { .int64($0) }
        if let trace = observer.traceHeaders {
            properties.headers[Wire.Header.traceParent] = trace[Wire.Header.traceParent]
            properties.headers[Wire.Header.traceState] = trace[Wire.Header.traceState]
        }
        properties.headers[JobHeader.redeliveries] = nil
        return properties
    }

    /// Publishes confirmed, and waits for a broker that is away or full.
    private func publish(
        _ kind: Publication.Kind, _ message: OutgoingMessage, exchange: String, routingKey: String,
        unroutablePatience: Duration = .zero, waitsForRoom: Bool = true
    ) async throws(BrokerError) {
        var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(5))
        var generator = SystemRandomNumberGenerator()
        var waited = Duration.zero
        while true {
            do {
                return try await send(kind, message, exchange: exchange, routingKey: routingKey)
            } catch {
                let limit: Duration
                switch error {
                case .unroutable: limit = unroutablePatience
                case .refused where !waitsForRoom: limit = .zero
                case .timedOut(_, let time, _):
                    waited += time
                    limit = configuration.publishPatience
                default: limit = error.isTransient ? configuration.publishPatience : .zero
                }
                guard waited < limit else { throw error }
                logger.debug("not published, trying again", metadata: ["error": "\(error)"])
                let pause = backoff.next(using: &generator)
                do { try await configuration.clock.sleep(for: pause) } catch { throw BrokerError.cancelled }
                waited += pause
            }
        }
    }

    /// Publishes once, and says how that went.
    private func send(
        _ kind: Publication.Kind, _ message: OutgoingMessage, exchange: String, routingKey: String,
        timeLimit: Duration? = nil
    ) async throws(BrokerError) {
        let start = ContinuousClock.now
        var failure: BrokerError?
        defer {
            observer.published(
                Publication(
                    kind: kind, exchange: exchange, routingKey: routingKey, duration: .now - start, error: failure))
        }
        do throws(BrokerError) {
            try await broker.publish(
                message, exchange: exchange, routingKey: routingKey, mandatory: true, timeLimit: timeLimit)
        } catch {
            failure = error
            throw error
        }
    }
}

extension PersonalizeEvent {
    fileprivate var hasPreview: Bool {
        if case .progress(let progress) = body { !progress.preview.isEmpty } else { false }
    }

    fileprivate var withoutPreview: PersonalizeEvent {
        guard case .progress(var progress) = body else { return self }
        progress.preview = []
        return PersonalizeEvent(jobID: jobID, sequence: sequence, body: .progress(progress))
    }
}

extension MessageProperties {
    /// Without what belonged to one delivery.
    ///
    /// `x-death` goes, since RabbitMQ drops a message that expires on its way round for the second time; the expiration
    /// and when it was due go, since they were for the first wait in a queue; the user goes, since the broker only
    /// takes the connection's own.
    var forRepublishing: MessageProperties {
        var properties = self
        properties.isPersistent = true
        properties.expiration = nil
        properties.userID = nil
        properties.headers = headers.filter { !$0.key.hasPrefix("x-") && $0.key != Wire.Header.due }
        return properties
    }
}
