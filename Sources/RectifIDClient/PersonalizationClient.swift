public import Broker
public import Messages
import Synchronization

/// Sends jobs to a pool and hears of them, through one reply queue of its own.
///
///     let client = try await PersonalizationClient.connect(url: "amqp://user:password@broker:5672/")
///     let request = PersonalizeRequest(references: [Reference(picture: .image(jpeg))], prompt: "on the beach")
///     let picture = try await client.personalize(request, within: .seconds(120))
///
/// All methods may be called from any task, many jobs may be under way at the same time, and connections that are lost
/// come back by themselves: what is published then is published again, and a `.lasting` reply queue keeps what arrives.
///
/// Sending a job again is safe: its id makes it the same job, and with the id alone, or a seed, its picture is the same
/// to the bit. After an error of ``submit(_:lane:deadline:jobID:trace:headers:)`` whose ``ClientError/isRetryable`` is
/// true, submit again *with the same id*: the broker may have the first copy in spite of the error, in which case the
/// picture may be computed twice, never lost.
public final class PersonalizationClient: Sendable {
    public let pool: Pool
    /// The queue that replies come to.
    public let replyQueue: String
    let broker: any Broker
    let configuration: ClientConfiguration
    private let router = ReplyRouter()
    private let consumer: Consumer
    /// What else ``close()`` has to do.
    private let cleanUp: @Sendable (PersonalizationClient) async -> Void

    private init(
        broker: any Broker, pool: Pool, replyQueue: String, consumer: Consumer, configuration: ClientConfiguration,
        cleanUp: @escaping @Sendable (PersonalizationClient) async -> Void
    ) {
        self.broker = broker
        self.pool = pool
        self.replyQueue = replyQueue
        self.consumer = consumer
        self.configuration = configuration
        self.cleanUp = cleanUp
    }

    /// How long a reply queue with a generated name outlives a client that was not closed.
    public static let replyQueueExpiry: Duration = .seconds(600)

    /// A client with a reply queue, on a connection of the caller's.
    ///
    /// - Parameter replies: `.lasting` outlives the connection, so that no answer is lost with it; with a generated name
    ///   it is deleted by ``close()``. `.exclusive` lives with the connection: what arrives while that is down waits for
    ///   up to the worker's `replyPatience` and then becomes a dead letter.
    /// - Throws: ``ClientError/broker(_:)``.
    public static func connect(
        to broker: any Broker, pool: Pool = .standard, replies: ReplyQueue = .lasting(unusedFor: replyQueueExpiry),
        configuration: ClientConfiguration = ClientConfiguration()
    ) async throws(ClientError) -> PersonalizationClient {
        try await connect(to: broker, pool: pool, replies: replies, configuration: configuration, closesBroker: false)
    }

    static func connect(
        to broker: any Broker, pool: Pool, replies: ReplyQueue, configuration: ClientConfiguration, closesBroker: Bool
    ) async throws(ClientError) -> PersonalizationClient {
        do throws(BrokerError) {
            if configuration.declaresTopology { try await broker.declare(pool.topology) }
            let queue = try await broker.declareReplyQueue(replies)
            let consumer = try await broker.consume(queue: queue, prefetch: 64)
            let client = PersonalizationClient(
                broker: broker, pool: pool, replyQueue: queue, consumer: consumer, configuration: configuration
            ) { client in
                if case .lasting(nil, _) = replies { try? await client.broker.delete(queue: queue) }
                if closesBroker { await client.broker.close() }
            }
            // Holds the client until close(): a submission may be all that somebody keeps.
            Task { await client.receive() }
            return client
        } catch {
            throw ClientError(error)
        }
    }

    /// Ends all submissions and the subscription to replies.
    ///
    /// A broker that the client was given stays connected.
    public func close() async {
        router.end(.closed)
        await consumer.cancel()
        await cleanUp(self)
    }

    private func receive() async {
        var iterator = consumer.makeAsyncIterator()
        do throws(BrokerError) {
            while let delivery = try await iterator.next() {
                router.pass(on: delivery)
                // A reply that is delivered again is passed on again; that is in the contract.
                try? await broker.acknowledge(delivery)
            }
            router.end(.closed)
        } catch {
            router.end(ClientError(error))
        }
    }

    /// A new job id, 128 random bits in hexadecimal.
    public static func newJobID() -> String {
        let digits = String(UInt128.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 32 - digits.count) + digits
    }
}

/// Jobs.
extension PersonalizationClient {
    /// Publishes a job, confirmed by the broker.
    ///
    /// - Parameters:
    ///   - request: Checked before anything is sent.
    ///   - lane: Where it waits.
    ///   - deadline: When it stops being of use. No answer by then and ``ClientConfiguration/deadlineGrace`` after it ends
    ///     the submission with ``ClientError/deadlineExceeded(jobID:)``. Nil: waits for as long as it takes.
    ///   - jobID: The job's id, for sending the same job again; nil: a random one.
    ///   - trace: The trace that it belongs to.
    ///   - headers: More headers.
    /// - Throws: ``ClientError``: `.queueFull` where the lane is, `.broker(.unroutable)` where the pool has no queues.
    public func submit(
        _ request: PersonalizeRequest, lane: Lane = .interactive, deadline: UnixMilliseconds? = nil,
        jobID: String? = nil, trace: TraceContext? = nil, headers: [String: HeaderValue] = [:]
    ) async throws(ClientError) -> Submission {
        let body = try Self.encode(request)
        let id = jobID ?? Self.newJobID()
        guard Wire.isJobID(id) else { throw .invalidJobID(id) }
        let patience = try patience(until: deadline, job: id)
        var headers = headers
        if let deadline { headers[Wire.Header.deadline] = .int64(deadline) }
        headers[Wire.Header.due] = .int64(configuration.wallTime.read())
        if let name = configuration.clientName { headers[Wire.Header.client] = .string(name) }
        if let trace {
            headers[Wire.Header.traceParent] = .string(trace.traceParent)
            headers[Wire.Header.traceState] = trace.traceState.map { .string($0) }
        }
        // Not the job id: the same job may be sent twice, and each sender wants its own answer.
        let correlation = Self.newJobID()
        // A job has fewer events than that, so none is dropped unless it starts over and nobody reads.
        let (events, continuation) = AsyncThrowingStream.makeStream(
            of: PersonalizeEvent.self, throwing: (any Error).self, bufferingPolicy: .bufferingNewest(1100))
        try router.listen(.job(continuation, RepeatedEvents()), for: correlation)
        let alarm = after(patience) { continuation.finish(throwing: ClientError.deadlineExceeded(jobID: id)) }
        continuation.onTermination = { [router] _ in
            alarm?.cancel()
            router.forget(correlation)
        }
        let limit = configuration.submitTimeLimit
        do throws(BrokerError) {
            try await enqueue(
                OutgoingMessage(
                    properties(.personalize, id: id, correlation: correlation, headers: headers), body: body),
                in: lane, timeLimit: min(patience ?? limit, limit))
        } catch {
            continuation.finish()
            if case .timedOut = error, let patience, patience <= limit { throw .deadlineExceeded(jobID: id) }
            throw ClientError(error)
        }
        return Submission(jobID: id, replies: Replies(stream: events))
    }

    private func enqueue(
        _ message: OutgoingMessage, in lane: Lane, timeLimit: Duration
    ) async throws(BrokerError) {
        let queue = pool.workQueue(lane, ofClient: configuration.clientName)
        do throws(BrokerError) {
            try await broker.publish(
                message, exchange: pool.workExchange, routingKey: queue.routingKey, mandatory: true,
                timeLimit: timeLimit)
        } catch {
            // The pool on the broker has fewer shards than this one.
            guard case .unroutable = error, queue.shard > 0 else { throw error }
            try await broker.publish(
                message, exchange: pool.workExchange, routingKey: lane.rawValue, mandatory: true,
                timeLimit: timeLimit)
        }
    }

    private static func encode(_ request: PersonalizeRequest) throws(ClientError) -> [UInt8] {
        do throws(MessageError) { try request.validate() } catch { throw .invalid(error) }
        let body = request.encode()
        let limit = MessageLimits.standard.maximumBytes
        guard body.count <= limit else {
            throw .invalid(
                MessageError(
                    kind: .tooLarge, field: "PersonalizeRequest", problem: "has \(body.count) bytes",
                    allowed: "\(limit) bytes; put large references into the shared store and send their keys"))
        }
        return body
    }

    /// How long to wait for an answer; nil: for as long as it takes.
    private func patience(until deadline: UnixMilliseconds?, job id: String) throws(ClientError) -> Duration? {
        guard let deadline, let grace = configuration.deadlineGrace else { return nil }
        let (left, overflow) = deadline.subtractingReportingOverflow(configuration.wallTime.read())
        guard !overflow, left > 0 else { throw .deadlineExceeded(jobID: id) }
        // Whoever waits for years waits for ever; clocks count no further than some centuries.
        return min(.milliseconds(left), .seconds(1 << 32)) + grace
    }

    private func after(_ time: Duration?, _ action: @escaping @Sendable () -> Void) -> Task<Void, Never>? {
        guard let time else { return nil }
        return Task { [clock = configuration.clock] in
            guard (try? await clock.sleep(for: time)) != nil else { return }
            action()
        }
    }

    private func properties(
        _ method: Wire.Method, id: String, correlation: String, headers: [String: HeaderValue]
    ) -> MessageProperties {
        MessageProperties(
            contentType: Wire.contentType, type: method.rawValue, messageID: id, correlationID: correlation,
            replyTo: replyQueue, timestamp: configuration.wallTime.read() / 1000, headers: headers)
    }
}

/// Questions to all workers.
extension PersonalizationClient {
    /// Asks all workers to stop a job, running or still queued.
    ///
    /// The job itself ends with a result of its own, CANCELLED, on its submission. When this returns the cancellation
    /// is noted: the broker keeps it for a day (``Pool/cancellationStream``), so that a worker that starts later refuses
    /// the job too. Where no worker runs there are no answers, and it holds all the same.
    ///
    /// - Parameter time: When to stop listening; nil: the answers have no end of their own.
    /// - Returns: The workers' answers as they come; `.stopping` and `.finished` come from one worker at most.
    /// - Throws: ``ClientError``.
    public func cancel(
        jobID: String, reason: String = "", within time: Duration? = nil
    ) async throws(ClientError) -> Replies<CancelReply> {
        let request = CancelRequest(jobID: jobID, reason: reason)
        do throws(MessageError) { try request.validate() } catch { throw .invalid(error) }
        do {
            return try await ask(.cancel, body: request.encode(), exchange: pool.cancelExchange, within: time)
        } catch .broker(.notFound) {
            // A pool that was declared by an older version: whoever listens now will know.
            return try await ask(.cancel, body: request.encode(), exchange: pool.controlExchange, within: time)
        }
    }

    /// Asks all workers, or one, who they are, which models they hold and what they are doing.
    ///
    /// - Parameter time: When to stop listening; nil: the answers have no end of their own.
    /// - Returns: The workers' answers as they come.
    /// - Throws: ``ClientError``; `.broker(.unroutable)` where no worker listens.
    public func describeWorkers(
        id: String? = nil, within time: Duration? = nil
    ) async throws(ClientError) -> Replies<DescribeReply> {
        let request = DescribeRequest(workerID: id)
        do throws(MessageError) { try request.validate() } catch { throw .invalid(error) }
        return try await ask(.describe, body: request.encode(), exchange: pool.controlExchange, within: time)
    }

    private func ask<Reply: WireMessage>(
        _ method: Wire.Method, body: [UInt8], exchange: String, within time: Duration?
    ) async throws(ClientError) -> Replies<Reply> {
        let (replies, continuation) = AsyncThrowingStream.makeStream(of: Reply.self, throwing: (any Error).self)
        let correlation = Self.newJobID()
        let pass: @Sendable (Delivery) -> Void = { delivery in
            do throws(MessageError) {
                continuation.yield(try Reply.decode(delivery.body))
            } catch {
                continuation.finish(throwing: ClientError.badReply(error))
            }
        }
        try router.listen(.control(pass: pass, finish: { continuation.finish(throwing: $0) }), for: correlation)
        let alarm = after(time) { continuation.finish() }
        continuation.onTermination = { [router] _ in
            alarm?.cancel()
            router.forget(correlation)
        }
        do throws(BrokerError) {
            try await broker.publish(
                OutgoingMessage(
                    properties(method, id: correlation, correlation: correlation, headers: [:]), body: body),
                exchange: exchange, routingKey: "")
        } catch {
            continuation.finish()
            throw ClientError(error)
        }
        return Replies(stream: replies)
    }
}
