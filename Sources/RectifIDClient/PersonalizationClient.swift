public import Broker
public import Messages
import Synchronization

/// Sends jobs to a pool and hears of them, through one reply queue of its own.
public final class PersonalizationClient: Sendable {
    /// What a reply is for, by its correlation id.
    private enum Listener {
        case job(AsyncThrowingStream<PersonalizeEvent, any Error>.Continuation)
        case control(pass: @Sendable (Delivery) -> Void, finish: @Sendable (any Error) -> Void)

        func finish(throwing error: any Error) {
            switch self {
            case .job(let continuation): continuation.finish(throwing: error)
            case .control(_, let finish): finish(error)
            }
        }
    }

    private struct Contents {
        var listeners: [String: Listener] = [:]
        var end: ClientError?
    }

    public let pool: Pool
    /// The queue that replies come to.
    public let replyQueue: String
    private let broker: any Broker
    private let consumer: Consumer
    private let wallTime: WallTime
    private let contents = Mutex(Contents())

    private init(broker: any Broker, pool: Pool, replyQueue: String, consumer: Consumer, wallTime: WallTime) {
        self.broker = broker
        self.pool = pool
        self.replyQueue = replyQueue
        self.consumer = consumer
        self.wallTime = wallTime
    }

    /// A client with a reply queue.
    ///
    /// - Parameter replies: `.exclusive` lives with the connection: what arrives while that is down waits for up to
    ///   the worker's `replyPatience` and then becomes a dead letter. `.lasting` outlives it.
    /// - Throws: ``ClientError/broker(_:)``.
    public static func connect(
        to broker: any Broker, pool: Pool = .standard, replies: ReplyQueue = .exclusive(),
        wallTime: WallTime = .system
    ) async throws(ClientError) -> PersonalizationClient {
        do throws(BrokerError) {
            let queue = try await broker.declareReplyQueue(replies)
            let consumer = try await broker.consume(queue: queue, prefetch: 64)
            let client = PersonalizationClient(
                broker: broker, pool: pool, replyQueue: queue, consumer: consumer, wallTime: wallTime)
            // Holds the client until close(): a submission may be all that somebody keeps.
            Task { await client.receive() }
            return client
        } catch {
            throw .broker(error)
        }
    }

    /// Publishes a job, confirmed by the broker.
    ///
    /// - Parameters:
    ///   - request: Checked before anything is sent.
    ///   - lane: Where it waits.
    ///   - deadline: When it stops being of use.
    ///   - jobID: The job's id, for sending the same job again; nil: a random one.
    ///   - headers: More headers, such as `traceparent`.
    /// - Throws: ``ClientError``.
    public func submit(
        _ request: PersonalizeRequest, lane: Lane = .interactive, deadline: UnixMilliseconds? = nil,
        jobID: String? = nil, headers: [String: HeaderValue] = [:]
    ) async throws(ClientError) -> Submission {
        do throws(MessageError) { try request.validate() } catch { throw .invalid(error) }
        let id = jobID ?? Self.randomID()
        guard Wire.isJobID(id) else { throw .invalidJobID(id) }
        var headers = headers
        if let deadline { headers[Wire.Header.deadline] = .int64(deadline) }
        headers[Wire.Header.due] = .int64(wallTime.read())
        let (events, continuation) = AsyncThrowingStream.makeStream(
            of: PersonalizeEvent.self, throwing: (any Error).self)
        // Not the job id: the same job may be sent twice, and each sender wants its own answer.
        let correlation = Self.randomID()
        try listen(.job(continuation), for: correlation)
        continuation.onTermination = { [weak self] _ in self?.forget(correlation) }
        do throws(BrokerError) {
            try await broker.publish(
                OutgoingMessage(
                    properties(.personalize, id: id, correlation: correlation, headers: headers),
                    body: request.encode()),
                exchange: pool.workExchange, routingKey: lane.rawValue)
        } catch {
            forget(correlation)
            throw .broker(error)
        }
        return Submission(jobID: id, events: events)
    }

    /// Asks all workers to stop a job; gives their answers as they come, without an end of its own.
    ///
    /// When this returns the cancellation is noted: the broker keeps it for a day (``Pool/cancellationStream``), so that
    /// a worker that starts later refuses the job too. Where no worker runs there are no answers, and it holds all the
    /// same.
    ///
    /// - Throws: ``ClientError``.
    public func cancel(
        jobID: String, reason: String = ""
    ) async throws(ClientError) -> AsyncThrowingStream<CancelReply, any Error> {
        let request = CancelRequest(jobID: jobID, reason: reason)
        do throws(MessageError) { try request.validate() } catch { throw .invalid(error) }
        do {
            return try await ask(.cancel, body: request.encode(), exchange: pool.cancelExchange)
        } catch .broker(.notFound) {
            // A pool that was declared by an older version: whoever listens now will know.
            return try await ask(.cancel, body: request.encode(), exchange: pool.controlExchange)
        }
    }

    /// Asks all workers, or one, who they are; gives their answers as they come, without an end of its own.
    ///
    /// - Throws: ``ClientError``; `.broker(.unroutable)` where no worker listens.
    public func describeWorkers(
        id: String? = nil
    ) async throws(ClientError) -> AsyncThrowingStream<DescribeReply, any Error> {
        let request = DescribeRequest(workerID: id)
        do throws(MessageError) { try request.validate() } catch { throw .invalid(error) }
        return try await ask(.describe, body: request.encode(), exchange: pool.controlExchange)
    }

    /// Ends all submissions and the subscription to replies; the broker stays connected.
    public func close() async {
        end(.closed)
        await consumer.cancel()
    }

    private func properties(
        _ method: Wire.Method, id: String, correlation: String, headers: [String: HeaderValue]
    ) -> MessageProperties {
        MessageProperties(
            contentType: Wire.contentType, type: method.rawValue, messageID: id, correlationID: correlation,
            replyTo: replyQueue, timestamp: wallTime.read() / 1000, headers: headers)
    }

    private func ask<Reply: WireMessage>(
        _ method: Wire.Method, body: [UInt8], exchange: String
    ) async throws(ClientError) -> AsyncThrowingStream<Reply, any Error> {
        let (replies, continuation) = AsyncThrowingStream.makeStream(of: Reply.self, throwing: (any Error).self)
        let correlation = Self.randomID()
        let pass: @Sendable (Delivery) -> Void = { delivery in
            do throws(MessageError) {
                continuation.yield(try Reply.decode(delivery.body))
            } catch {
                continuation.finish(throwing: ClientError.badReply(error))
            }
        }
        try listen(.control(pass: pass, finish: { continuation.finish(throwing: $0) }), for: correlation)
        continuation.onTermination = { [weak self] _ in self?.forget(correlation) }
        do throws(BrokerError) {
            try await broker.publish(
                OutgoingMessage(
                    properties(method, id: correlation, correlation: correlation, headers: [:]), body: body),
                exchange: exchange, routingKey: "")
        } catch {
            forget(correlation)
            throw .broker(error)
        }
        return replies
    }

    private static func randomID() -> String {
        let digits = String(UInt128.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 32 - digits.count) + digits
    }
}

/// Replies.
extension PersonalizationClient {
    private func listen(_ listener: Listener, for correlation: String) throws(ClientError) {
        let end = contents.withLock { contents -> ClientError? in
            if contents.end == nil { contents.listeners[correlation] = listener }
            return contents.end
        }
        if let end { throw end }
    }

    private func forget(_ correlation: String) {
        contents.withLock { _ = $0.listeners.removeValue(forKey: correlation) }
    }

    private func end(_ error: ClientError) {
        let listeners = contents.withLock { contents in
            defer { contents.listeners = [:] }
            if contents.end == nil { contents.end = error }
            return Array(contents.listeners.values)
        }
        for listener in listeners { listener.finish(throwing: error) }
    }

    private func receive() async {
        var iterator = consumer.makeAsyncIterator()
        do throws(BrokerError) {
            while let delivery = try await iterator.next() {
                pass(on: delivery)
                // A reply that is delivered again is passed on again; that is in the contract.
                try? await broker.acknowledge(delivery)
            }
            end(.closed)
        } catch {
            end(.broker(error))
        }
    }

    private func pass(on delivery: Delivery) {
        guard let correlation = delivery.properties.correlationID,
            let listener = contents.withLock({ $0.listeners[correlation] })
        else { return }  // The answer to a question that nobody waits for any more.
        switch listener {
        case .control(let pass, _): pass(delivery)
        case .job(let continuation):
            do throws(MessageError) {
                // A result carries a picture, which may be larger than any request.
                let event = try PersonalizeEvent.decode(
                    delivery.body, limits: MessageLimits(maximumBytes: max(delivery.body.count, 1)))
                continuation.yield(event)
                if event.isFinal { continuation.finish() }
            } catch {
                continuation.finish(throwing: ClientError.badReply(error))
            }
        }
    }
}
