/// A message broker as jobs need it: messages go out confirmed, come in one by one, and are settled explicitly.
///
/// The module knows AMQP 0-9-1 and bytes; it knows nothing of protobuf or of jobs. ``RabbitMQBroker`` talks to a real
/// node, ``InMemoryBroker`` to an ``InMemoryNode`` of the same process; the same conformance tests pass on both.
///
/// All methods may be called from any task. A call that cannot proceed because the connection is down waits for the
/// reconnect, up to its time limit. Cancelling the calling task makes the call throw ``BrokerError/cancelled``.
public protocol Broker: Sendable {
    /// The health of the connection now.
    var state: BrokerState { get }

    /// The health of the connection over time, beginning with ``state``; every access starts a new subscription.
    ///
    /// A slow reader sees the newest state and may miss ones in between. The sequence ends after
    /// ``BrokerState/closed``.
    var states: AsyncStream<BrokerState> { get }

    /// Declares exchanges, queues and bindings, and declares them again after every reconnect.
    ///
    /// Declaring what exists with equal arguments changes nothing, so this also verifies a topology.
    /// - Throws: ``BrokerError/preconditionFailed(_:)`` where an exchange or queue exists with other arguments.
    func declare(_ topology: Topology) async throws(BrokerError)

    /// Declares a queue for replies and returns its name; it is declared again under this name after every reconnect.
    func declareReplyQueue(_ queue: ReplyQueue) async throws(BrokerError) -> String

    /// Publishes a message and returns when the broker has confirmed it.
    ///
    /// A message whose confirm is lost with the connection is published again after the reconnect, so a consumer can
    /// see it twice: consumers deduplicate by message id.
    /// - Parameters:
    ///   - message: Properties and body; checked before anything is sent.
    ///   - exchange: Name of the exchange; the empty name routes to the queue called `routingKey`.
    ///   - routingKey: At most 255 bytes of UTF-8.
    ///   - mandatory: Whether a message that reaches no queue is an error; without it such a message is lost silently.
    ///   - timeLimit: How long to wait for the confirm, a blocked or lost connection included; nil: the broker's own.
    /// - Throws: ``BrokerError/unroutable(exchange:routingKey:)`` for a returned message,
    ///   ``BrokerError/refused(exchange:routingKey:)`` for a negative confirm (a full queue),
    ///   ``BrokerError/messageTooLarge(bytes:limit:)``, ``BrokerError/headerTooLarge(bytes:limit:)``,
    ///   ``BrokerError/invalid(_:)``, ``BrokerError/timedOut(operation:after:reason:)`` (the message may yet arrive).
    func publish(
        _ message: OutgoingMessage, exchange: String, routingKey: String, mandatory: Bool, timeLimit: Duration?
    ) async throws(BrokerError)

    /// Subscribes to a queue, on a channel of its own.
    ///
    /// The subscription outlives connections: after a reconnect, or when the broker cancels the consumer, it is made
    /// again. It ends with an error when the queue is gone for good.
    /// - Parameters:
    ///   - queue: Name of the queue.
    ///   - prefetch: How many unsettled deliveries the broker may have outstanding here, 1 or more.
    ///   - consumerTag: Name of the consumer for operators, unique on this broker; nil: one is made.
    /// - Returns: The sequence of deliveries.
    /// - Throws: ``BrokerError/notFound(_:)`` where there is no such queue.
    func consume(queue: String, prefetch: UInt16, consumerTag: String?) async throws(BrokerError) -> Consumer

    /// Reads a stream: what was written to it in the last `age` and what is written from now on.
    ///
    /// Reading takes nothing away: every reader gets everything. After a reconnect the reading starts again at `age`
    /// before that moment, so messages repeat. Deliveries are acknowledged like any, which lets the broker send more;
    /// to reject or release them is the same, since a stream takes nothing back. There is no mark for the end of what
    /// is there: who must know it publishes a message of its own and reads up to that. RabbitMQ 3.10 answers
    /// ``get(queue:)`` on a stream by closing the connection, so nobody should ask.
    /// - Parameters:
    ///   - stream: Name of a queue of the kind ``Queue/Kind/stream``.
    ///   - age: Whole seconds, by the broker's clock. The broker starts at the chunk that holds that moment, and may
    ///     so give a little more.
    ///   - prefetch: How many unsettled deliveries the broker may have outstanding here, 1 or more.
    /// - Throws: ``BrokerError/notFound(_:)`` where there is no such queue.
    func read(stream: String, since age: Duration, prefetch: UInt16) async throws(BrokerError) -> Consumer

    /// Takes one message without subscribing, or nil from an empty queue; it must be settled like any delivery.
    func get(queue: String) async throws(BrokerError) -> Delivery?

    /// Takes several messages at once, in the queue's order; each must be settled like any delivery.
    ///
    /// For whoever goes through a whole queue: RabbitMQ answers each ``get(queue:)`` from a quorum queue only when it
    /// is on disk.
    /// - Parameters:
    ///   - count: How many at most, 1 or more.
    ///   - bytes: About how much their bodies may take together; one message is given whatever it has.
    /// - Returns: None from an empty queue. Fewer than `count` say nothing about the rest.
    func take(queue: String, atMost count: Int, bytes: Int) async throws(BrokerError) -> [Delivery]

    /// Tells the broker that the message is dealt with.
    /// - Throws: ``BrokerError/staleDelivery`` when the channel it came on is gone (the broker has given or will give
    ///   the message to someone else) or it is settled already.
    func acknowledge(_ receipt: Receipt) async throws(BrokerError)

    /// Refuses a message: back to its queue, counted as a failed delivery, or away to the dead-letter exchange.
    /// - Throws: ``BrokerError/staleDelivery``, as ``acknowledge(_:)``.
    func reject(_ receipt: Receipt, requeue: Bool) async throws(BrokerError)

    /// Gives a message back untouched, for another consumer (basic.nack; brokers from 4.3 do not count it as a failure).
    /// - Throws: ``BrokerError/staleDelivery``, as ``acknowledge(_:)``.
    func release(_ receipt: Receipt) async throws(BrokerError)

    /// Gives messages back untouched, and returns when the queue has them, in this order and before what was never
    /// taken.
    ///
    /// What cannot be given back, since its channel is gone, is passed over: the broker has it already.
    func release(_ receipts: [Receipt], to queue: String) async

    /// How many messages wait in a queue and how many consumers it has.
    func depth(of queue: String) async throws(BrokerError) -> QueueDepth

    /// Removes all waiting messages and returns how many there were.
    @discardableResult
    func purge(queue: String) async throws(BrokerError) -> Int

    /// Deletes a queue with its messages and forgets it for later reconnects; a missing queue is no error.
    func delete(queue: String) async throws(BrokerError)

    /// Deletes an exchange and forgets it for later reconnects; a missing exchange is no error.
    func delete(exchange: String) async throws(BrokerError)

    /// Closes the connection; unsettled deliveries go back to their queues, waiting calls throw
    /// ``BrokerError/closed``, consumers end.
    func close() async
}

extension Broker {
    /// Publishes with the broker's own time limit.
    public func publish(
        _ message: OutgoingMessage, exchange: String, routingKey: String, mandatory: Bool = true
    ) async throws(BrokerError) {
        try await publish(
            message, exchange: exchange, routingKey: routingKey, mandatory: mandatory, timeLimit: nil)
    }

    /// Subscribes under a generated consumer tag.
    public func consume(queue: String, prefetch: UInt16) async throws(BrokerError) -> Consumer {
        try await consume(queue: queue, prefetch: prefetch, consumerTag: nil)
    }

    /// Tells the broker that the message is dealt with.
    public func acknowledge(_ delivery: Delivery) async throws(BrokerError) {
        try await acknowledge(delivery.receipt)
    }

    /// Refuses a message.
    public func reject(_ delivery: Delivery, requeue: Bool) async throws(BrokerError) {
        try await reject(delivery.receipt, requeue: requeue)
    }

    /// One message.
    public func take(queue: String, atMost count: Int, bytes: Int) async throws(BrokerError) -> [Delivery] {
        [try await get(queue: queue)].compactMap { $0 }
    }

    /// One after the other.
    public func release(_ receipts: [Receipt], to queue: String) async {
        for receipt in receipts { try? await release(receipt) }
    }

    /// Gives a message back untouched.
    public func release(_ delivery: Delivery) async throws(BrokerError) {
        try await release(delivery.receipt)
    }
}
