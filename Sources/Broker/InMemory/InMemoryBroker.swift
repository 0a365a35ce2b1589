import Synchronization

/// A connection to an ``InMemoryNode``; several connections may share a node.
public final class InMemoryBroker: Broker {
    private let node: InMemoryNode
    private let connection = Receipt.nextEpoch()
    private let maximumBodySize: Int
    private let board = StateBoard()
    /// The channel of ``get(queue:)``, new after every lost connection.
    private let getEpoch = Atomic<UInt64>(Receipt.nextEpoch())

    public init(node: InMemoryNode = InMemoryNode(), maximumBodySize: Int = 64 << 20) {
        self.node = node
        self.maximumBodySize = maximumBodySize
        board.set(.connected)
    }

    public var state: BrokerState { board.state }

    public var states: AsyncStream<BrokerState> { board.subscribe() }

    private func update<Value: Sendable>(
        _ body: (inout InMemoryRouting) throws(BrokerError) -> Value
    ) throws(BrokerError) -> Value {
        guard state != .closed else { throw .closed }
        guard !Task.isCancelled else { throw .cancelled }
        return try node.update(body)
    }

    /// Behaves as after a network failure: unsettled messages go back, receipts become stale, exclusive queues end, and
    /// the connection comes back with its topology and subscriptions.
    public func loseConnection() {
        guard state != .closed else { return }
        board.set(.disconnected(.disconnected("connection lost")))
        getEpoch.store(Receipt.nextEpoch(), ordering: .relaxed)
        let connection = connection
        try? node.update { (routing) throws(BrokerError) in
            for consumer in routing.consumers.values where consumer.connection == connection {
                consumer.buffer.removeAll()
            }
            routing.dropConnection(connection)
            for step in routing.remembered[connection] ?? [] { try? routing.declare(step, by: connection) }
            for consumer in routing.consumers.values where consumer.connection == connection {
                if routing.queues[consumer.queue] == nil {
                    routing.consumers[consumer.id] = nil
                    consumer.buffer.finish(.consumerCancelled(queue: consumer.queue))
                } else {
                    routing.attach(consumer.id, to: consumer.queue)
                }
            }
        }
        board.set(.connected)
    }

    // MARK: Publishing

    public func publish(
        _ message: OutgoingMessage, exchange: String, routingKey: String, mandatory: Bool, timeLimit: Duration?
    ) async throws(BrokerError) {
        try message.check(
            exchange: exchange, routingKey: routingKey, overhead: mandatory ? PublishRole.tagHeaderSize : 0,
            bodyLimit: maximumBodySize)
        try update { (routing) throws(BrokerError) in
            try routing.publish(message, exchange: exchange, routingKey: routingKey, mandatory: mandatory)
        }
    }

    // MARK: Declaring

    public func declare(_ topology: Topology) async throws(BrokerError) {
        let steps = try topology.declarations()
        let connection = connection
        try update { (routing) throws(BrokerError) in
            for step in steps { try routing.declare(step, by: connection) }
        }
    }

    public func declareReplyQueue(_ queue: ReplyQueue) async throws(BrokerError) -> String {
        let queue = queue.declaration
        try await declare(Topology(queues: [queue]))
        return queue.name
    }

    public func depth(of queue: String) async throws(BrokerError) -> QueueDepth {
        let connection = connection
        return try update { (routing) throws(BrokerError) in
            let queue = try routing.queue(queue, for: connection)
            return QueueDepth(messages: queue.count, consumers: queue.consumers.count)
        }
    }

    public func purge(queue: String) async throws(BrokerError) -> Int {
        let connection = connection
        return try update { (routing) throws(BrokerError) in
            let count = try routing.queue(queue, for: connection).ready.count
            routing.queues[queue]?.ready.removeAll()
            return count
        }
    }

    public func delete(queue: String) async throws(BrokerError) {
        let connection = connection
        try update { (routing) throws(BrokerError) in
            routing.remembered[connection]?.removeAll { $0.concerns(queue: queue) }
            routing.delete(queue: queue)
        }
    }

    public func delete(exchange: String) async throws(BrokerError) {
        let connection = connection
        try update { (routing) throws(BrokerError) in
            routing.remembered[connection]?.removeAll { step in
                switch step {
                case .declareExchange(let declared): declared.name == exchange
                case .bind(let binding): binding.exchange == exchange
                default: false
                }
            }
            routing.exchanges[exchange] = nil
            routing.bindings.removeAll { $0.exchange == exchange }
        }
    }

    // MARK: Consuming

    public func consume(queue: String, prefetch: UInt16, consumerTag: String?) async throws(BrokerError) -> Consumer {
        try subscribe(to: queue, prefetch: prefetch, tag: consumerTag ?? "rectifid-" + randomName(), age: nil)
    }

    public func read(stream: String, since age: Duration, prefetch: UInt16) async throws(BrokerError) -> Consumer {
        try subscribe(to: stream, prefetch: prefetch, tag: "rectifid-" + randomName(), age: age)
    }

    private func subscribe(
        to queue: String, prefetch: UInt16, tag: String, age: Duration?
    ) throws(BrokerError) -> Consumer {
        guard prefetch > 0 else { throw .invalid("a prefetch of 0 means no limit to the broker; use 1 or more") }
        try checkShortString(tag, "consumer tag")
        let (connection, id, buffer) = (connection, Receipt.nextEpoch(), DeliveryBuffer())
        try update { (routing) throws(BrokerError) in
            _ = try routing.queue(queue, for: connection)
            routing.consumers[id] = InMemoryConsumer(
                id: id, connection: connection, queue: queue, prefetch: Int(prefetch), buffer: buffer, age: age)
            routing.attach(id, to: queue)
        }
        return Consumer(queue: queue, tag: tag, buffer: buffer) { [node] in
            try? node.update { (routing) throws(BrokerError) in
                // First off the queue, so that what goes back is not given to this consumer again.
                routing.queues[queue]?.consumers.removeAll { $0 == id }
                for delivery in buffer.finish() { try? routing.settle(delivery.receipt, .release) }
                routing.detach(id)
            }
        }
    }

    public func get(queue: String) async throws(BrokerError) -> Delivery? {
        let (connection, epoch) = (connection, getEpoch.load(ordering: .relaxed))
        return try update { (routing) throws(BrokerError) in
            try routing.get(queue, by: connection, epoch: epoch)
        }
    }

    public func acknowledge(_ receipt: Receipt) async throws(BrokerError) { try settle(receipt, .acknowledge) }

    public func reject(_ receipt: Receipt, requeue: Bool) async throws(BrokerError) {
        try settle(receipt, .reject(requeue: requeue))
    }

    public func release(_ receipt: Receipt) async throws(BrokerError) { try settle(receipt, .release) }

    private func settle(_ receipt: Receipt, _ settlement: ConsumeRole.Settlement) throws(BrokerError) {
        let connection = connection
        try update { (routing) throws(BrokerError) in
            guard routing.unsettled[receipt]?.connection == connection else { throw .staleDelivery }
            try routing.settle(receipt, settlement)
        }
    }

    public func close() async {
        guard state != .closed else { return }
        board.set(.closed)
        let connection = connection
        try? node.update { (routing) throws(BrokerError) in
            routing.remembered[connection] = nil
            let mine = routing.consumers.values.filter { $0.connection == connection }
            for consumer in mine { consumer.buffer.finish() }
            routing.dropConnection(connection)
            for consumer in mine { routing.detach(consumer.id) }
        }
    }
}
