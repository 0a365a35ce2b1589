public import Logging
import Synchronization

/// RabbitMQ through librabbitmq: one connection for consuming and declaring, one for publishing, each owned by a thread
/// that keeps heartbeats going however busy the other threads are.
///
/// Both connect at once and reconnect for ever, with jittered backoff. Close it with ``close()``; a broker that is
/// merely dropped closes in the background.
public final class RabbitMQBroker: Broker {
    private typealias ConsumeLink = Link<ConsumeRole>
    private typealias PublishLink = Link<PublishRole>

    let configuration: RabbitMQConfiguration
    private let health = Health()
    private let consumingWatch = LoopWatch()
    private let publishingWatch = LoopWatch()
    let consuming: Mailbox<Link<ConsumeRole>.Message>?
    private let publishing: Mailbox<Link<PublishRole>.Message>?
    private let nextSubscription = Atomic<UInt64>(1)

    /// Starts connecting; ``ready(within:)`` waits for it.
    public init(_ configuration: RabbitMQConfiguration, logger: Logger) {
        self.configuration = configuration
        consuming = try? Mailbox()
        publishing = try? Mailbox()
        start(logger)
    }

    private func start(_ logger: Logger) {
        guard let consuming, let publishing else {
            return health.board.set(.disconnected(.disconnected("the process has no file descriptors left")))
        }
        let started =
            ConsumeLink.start(
                consuming, connector: Connector(configuration: configuration, purpose: "consume"), logger: logger,
                watch: consumingWatch, report: { [health] in health.set($0, of: .consuming) },
                role: { [configuration] in ConsumeRole(configuration: configuration, logger: logger) })
            && PublishLink.start(
                publishing, connector: Connector(configuration: configuration, purpose: "publish"), logger: logger,
                watch: publishingWatch, report: { [health] in health.set($0, of: .publishing) }, role: { PublishRole() }
            )
        if !started { health.board.set(.disconnected(.disconnected("the system gives no thread"))) }
    }

    deinit {
        consuming?.post(.close(Call()))
        publishing?.post(.close(Call()))
    }

    public var state: BrokerState { health.board.state }

    public var states: AsyncStream<BrokerState> { health.board.subscribe() }

    /// By how much the threads of the two connections are late: zero while they go round, whether or not there is a
    /// broker; more and more where one hangs.
    public var delays: (consuming: Duration, publishing: Duration) { (consumingWatch.delay, publishingWatch.delay) }

    /// Waits until the broker is connected.
    /// - Throws: ``BrokerError/authenticationFailed(_:)`` and ``BrokerError/invalid(_:)`` at once, since they do not
    ///   pass by themselves; ``BrokerError/disconnected(_:)`` with the last reason after the limit.
    public func ready(within limit: Duration) async throws(BrokerError) {
        let call = Call<Void>()
        let last = LastError()
        let watch = Task { [states] in
            for await state in states {
                switch state {
                case .connected, .blocked: call.answer(.success(()))
                case .disconnected(let error) where !error.isTransient: call.fail(error)
                case .disconnected(let error):
                    last.note(error)
                    continue
                case .closed: call.fail(.closed)
                default: continue
                }
                return
            }
        }
        let alarm = Task { [self] in
            guard (try? await Task.sleep(for: limit)) != nil else { return }
            // By now the next attempt may be under way: the last failure says more than "connecting".
            call.fail(
                last.error ?? .timedOut(operation: "connect", after: limit, reason: "\(configuration.endpoint)"))
        }
        defer {
            watch.cancel()
            alarm.cancel()
        }
        try await call.value { true }
    }

    // MARK: Publishing

    public func publish(
        _ message: OutgoingMessage, exchange: String, routingKey: String, mandatory: Bool, timeLimit: Duration?
    ) async throws(BrokerError) {
        let overhead = mandatory ? PublishRole.tagHeaderSize : 0
        try message.check(
            exchange: exchange, routingKey: routingKey, overhead: overhead, bodyLimit: configuration.maximumBodySize)
        let timeLimit = timeLimit ?? configuration.publishTimeLimit
        let call = Call<Void>()
        let request = PublishRequest(
            message: message, exchange: exchange, routingKey: routingKey, mandatory: mandatory, timeLimit: timeLimit,
            deadline: .now + timeLimit, call: call)
        try await call.value { publishing?.post(.command(.publish(request))) ?? false }
    }

    // MARK: Declaring

    public func declare(_ topology: Topology) async throws(BrokerError) {
        let steps = try topology.declarations()
        _ = try await control(steps, remembers: steps)
    }

    public func declareReplyQueue(_ queue: ReplyQueue) async throws(BrokerError) -> String {
        let queue = queue.declaration
        try await declare(Topology(queues: [queue]))
        return queue.name
    }

    public func depth(of queue: String) async throws(BrokerError) -> QueueDepth {
        try checkShortString(queue, "queue name")
        guard case .queueDeclared(let messages, let consumers) = try await control([.inspectQueue(queue)]) else {
            throw .disconnected("unexpected answer to a passive queue declaration")
        }
        return QueueDepth(messages: messages, consumers: consumers)
    }

    public func purge(queue: String) async throws(BrokerError) -> Int {
        try checkShortString(queue, "queue name")
        guard case .queuePurged(let messages) = try await control([.purgeQueue(queue)]) else { return 0 }
        return messages
    }

    public func delete(queue: String) async throws(BrokerError) {
        try checkShortString(queue, "queue name")
        consuming?.post(.command(.forget(.queue(queue))))
        _ = try await control([.deleteQueue(queue)])
    }

    public func delete(exchange: String) async throws(BrokerError) {
        try checkShortString(exchange, "exchange name")
        consuming?.post(.command(.forget(.exchange(exchange))))
        _ = try await control([.deleteExchange(exchange)])
    }

    private func control(_ steps: [ClientMethod], remembers: [ClientMethod] = []) async throws(BrokerError)
        -> ServerMethod?
    {
        let call = Call<ServerMethod?>()
        let job = ControlJob(
            steps: steps, deadline: .now + configuration.callTimeLimit, call: call, remembers: remembers)
        return try await call.value { consuming?.post(.command(.control(job))) ?? false }
    }

    // MARK: Consuming

    public func consume(queue: String, prefetch: UInt16, consumerTag: String?) async throws(BrokerError) -> Consumer {
        let tag = consumerTag ?? "rectifid-" + randomName()
        return try await subscribe(to: queue, prefetch: prefetch, tag: tag)
    }

    public func read(stream: String, since age: Duration, prefetch: UInt16) async throws(BrokerError) -> Consumer {
        // The broker measures an interval by its own clock, again at each subscription.
        try await subscribe(
            to: stream, prefetch: prefetch, tag: "rectifid-" + randomName(),
            streamOffset: "\(max(age.components.seconds, 1))s")
    }

    /// - Parameter room: Bytes of bodies to keep; what comes when they are used up comes without its body. Nil: all.
    func subscribe(
        to queue: String, prefetch: UInt16, tag: String, streamOffset: String? = nil, room: Int? = nil
    ) async throws(BrokerError) -> Consumer {
        try checkShortString(queue, "queue name")
        try checkShortString(tag, "consumer tag")
        guard prefetch > 0 else { throw .invalid("a prefetch of 0 means no limit to the broker; use 1 or more") }
        let id = nextSubscription.add(1, ordering: .relaxed).oldValue
        let call = Call<Void>()
        let buffer = DeliveryBuffer()
        let request = SubscribeRequest(
            id: id, queue: queue, prefetch: prefetch, tag: tag, streamOffset: streamOffset, room: room, buffer: buffer,
            deadline: .now + configuration.callTimeLimit, call: call)
        try await call.value { consuming?.post(.command(.subscribe(request))) ?? false }
        return Consumer(queue: queue, tag: tag, buffer: buffer) { [consuming] in
            let call = Call<Void>()
            // Cancelled tasks cancel their consumers too, so nothing here may depend on the task.
            await Task { try? await call.value { consuming?.post(.command(.unsubscribe(id, call))) ?? false } }.value
        }
    }

    public func get(queue: String) async throws(BrokerError) -> Delivery? {
        try checkShortString(queue, "queue name")
        let call = Call<Delivery?>()
        let request = GetRequest(deadline: .now + configuration.callTimeLimit, call: call)
        return try await call.value { consuming?.post(.command(.get(queue: queue, request))) ?? false }
    }

    public func acknowledge(_ receipt: Receipt) async throws(BrokerError) { try await settle(receipt, .acknowledge) }

    public func reject(_ receipt: Receipt, requeue: Bool) async throws(BrokerError) {
        try await settle(receipt, .reject(requeue: requeue))
    }

    public func release(_ receipt: Receipt) async throws(BrokerError) { try await settle(receipt, .release) }

    private func settle(_ receipt: Receipt, _ settlement: ConsumeRole.Settlement) async throws(BrokerError) {
        let call = Call<Void>()
        try await call.value { consuming?.post(.command(.settle(receipt, settlement, call))) ?? false }
    }

    /// Drops both sockets without a goodbye, as a failing network does.
    func loseConnection() {
        consuming?.post(.failed(.disconnected("connection dropped")))
        publishing?.post(.failed(.disconnected("connection dropped")))
    }

    public func close() async {
        await Task { [publishing, consuming] in
            let first = Call<Void>()
            try? await first.value { publishing?.post(.close(first)) ?? false }
            let second = Call<Void>()
            try? await second.value { consuming?.post(.close(second)) ?? false }
        }.value
    }
}

/// The latest failure that a waiting caller should hear of.
private final class LastError: Sendable {
    private let latest = Mutex<BrokerError?>(nil)

    var error: BrokerError? { latest.withLock { $0 } }

    func note(_ error: BrokerError) { latest.withLock { $0 = error } }
}
