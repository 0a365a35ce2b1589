import Broker
import Jobs
import Messages
import RectifIDClient
import Synchronization

/// A connection that writes down what passes through it, and fails where a test wants it to.
final class OrderingBroker: Broker {
    let base: InMemoryBroker
    private let log = Mutex<[String]>([])
    /// What is done before the first look for jobs is the worker's own, not a job's.
    private let isAtWork = Atomic(false)
    private let onAcknowledge: @Sendable () -> Void

    /// - Parameter onAcknowledge: Called before a delivery is acknowledged.
    init(_ base: InMemoryBroker, onAcknowledge: @escaping @Sendable () -> Void = {}) {
        self.base = base
        self.onAcknowledge = onAcknowledge
    }

    /// Publishes and settlements in the order in which they were done.
    var steps: [String] { log.withLock { $0 } }

    private func note(_ step: String) {
        guard isAtWork.load(ordering: .relaxed) else { return }
        log.withLock { $0.append(step) }
    }

    var state: BrokerState { base.state }
    var states: AsyncStream<BrokerState> { base.states }

    func declare(_ topology: Topology) async throws(BrokerError) { try await base.declare(topology) }

    func declareReplyQueue(_ queue: ReplyQueue) async throws(BrokerError) -> String {
        try await base.declareReplyQueue(queue)
    }

    func publish(
        _ message: OutgoingMessage, exchange: String, routingKey: String, mandatory: Bool, timeLimit: Duration?
    ) async throws(BrokerError) {
        try await base.publish(
            message, exchange: exchange, routingKey: routingKey, mandatory: mandatory, timeLimit: timeLimit)
        let event = try? PersonalizeEvent.decode(message.body)
        let kind = exchange.isEmpty ? (event?.isFinal == true ? "result" : "event") : exchange
        note("\(mandatory ? "mandatory " : "")\(kind)")
    }

    func consume(queue: String, prefetch: UInt16, consumerTag: String?) async throws(BrokerError) -> Consumer {
        try await base.consume(queue: queue, prefetch: prefetch, consumerTag: consumerTag)
    }

    func read(stream: String, since age: Duration, prefetch: UInt16) async throws(BrokerError) -> Consumer {
        try await base.read(stream: stream, since: age, prefetch: prefetch)
    }

    func get(queue: String) async throws(BrokerError) -> Delivery? {
        isAtWork.store(true, ordering: .relaxed)
        return try await base.get(queue: queue)
    }

    func acknowledge(_ receipt: Receipt) async throws(BrokerError) {
        if isAtWork.load(ordering: .relaxed) { onAcknowledge() }
        try await base.acknowledge(receipt)
        note("acknowledged")
    }

    func reject(_ receipt: Receipt, requeue: Bool) async throws(BrokerError) {
        try await base.reject(receipt, requeue: requeue)
        note("rejected")
    }

    func release(_ receipt: Receipt) async throws(BrokerError) {
        try await base.release(receipt)
        note("released")
    }

    func depth(of queue: String) async throws(BrokerError) -> QueueDepth { try await base.depth(of: queue) }
    func purge(queue: String) async throws(BrokerError) -> Int { try await base.purge(queue: queue) }
    func delete(queue: String) async throws(BrokerError) { try await base.delete(queue: queue) }
    func delete(exchange: String) async throws(BrokerError) { try await base.delete(exchange: exchange) }
    func close() async { await base.close() }
}
