public import Broker
public import RectifIDClient
import Messages
import Synchronization

/// A connection that says which phase a job has reached, at the moment between two things the worker does.
public final class WatchedBroker: Broker {
    private let base: any Broker
    private let pool: Pool
    private let onKillPoint: @Sendable (KillPoint) -> Void
    private let failures = Mutex(0)
    /// What is acknowledged before the first job is taken is no job.
    private let hasTaken = Atomic(false)

    public init(_ base: any Broker, pool: Pool, onKillPoint: @escaping @Sendable (KillPoint) -> Void) {
        self.base = base
        self.pool = pool
        self.onKillPoint = onKillPoint
    }

    public var state: BrokerState { base.state }
    public var states: AsyncStream<BrokerState> { base.states }

    public func publish(
        _ message: OutgoingMessage, exchange: String, routingKey: String, mandatory: Bool, timeLimit: Duration?
    ) async throws(BrokerError) {
        try await base.publish(
            message, exchange: exchange, routingKey: routingKey, mandatory: mandatory, timeLimit: timeLimit)
        if let phase = phase(after: message, exchange) { onKillPoint(phase) }
    }

    private func phase(after message: OutgoingMessage, _ exchange: String) -> KillPoint? {
        switch exchange {
        case "":
            guard let event = try? PersonalizeEvent.decode(message.body) else { return nil }
            if case .accepted = event.body { return .accepted }
            return event.isFinal ? .replied : nil
        case pool.workExchange: return .handedOver
        case pool.deadLetterExchange: return .deadLettered
        default: return exchange.hasPrefix(pool.name + ".retry.") ? .retried : nil
        }
    }

    /// To be called when the worker has a job.
    public func noteTaken() {
        hasTaken.store(true, ordering: .relaxed)
        onKillPoint(.taken)
    }

    /// Acknowledgements that were not possible any more.
    public var failedAcknowledgements: Int { failures.withLock { $0 } }

    public func acknowledge(_ receipt: Receipt) async throws(BrokerError) {
        do {
            try await base.acknowledge(receipt)
        } catch {
            failures.withLock { $0 += 1 }
            throw error
        }
        if hasTaken.load(ordering: .relaxed) { onKillPoint(.acknowledged) }
    }

    public func get(queue: String) async throws(BrokerError) -> Delivery? { try await base.get(queue: queue) }

    public func read(stream: String, since age: Duration, prefetch: UInt16) async throws(BrokerError) -> Consumer {
        try await base.read(stream: stream, since: age, prefetch: prefetch)
    }

    public func consume(queue: String, prefetch: UInt16, consumerTag: String?) async throws(BrokerError) -> Consumer {
        try await base.consume(queue: queue, prefetch: prefetch, consumerTag: consumerTag)
    }

    public func declare(_ topology: Topology) async throws(BrokerError) { try await base.declare(topology) }

    public func declareReplyQueue(_ queue: ReplyQueue) async throws(BrokerError) -> String {
        try await base.declareReplyQueue(queue)
    }

    public func reject(_ receipt: Receipt, requeue: Bool) async throws(BrokerError) {
        try await base.reject(receipt, requeue: requeue)
    }

    public func release(_ receipt: Receipt) async throws(BrokerError) { try await base.release(receipt) }
    public func depth(of queue: String) async throws(BrokerError) -> QueueDepth { try await base.depth(of: queue) }
    public func purge(queue: String) async throws(BrokerError) -> Int { try await base.purge(queue: queue) }
    public func delete(queue: String) async throws(BrokerError) { try await base.delete(queue: queue) }
    public func delete(exchange: String) async throws(BrokerError) { try await base.delete(exchange: exchange) }
    public func close() async { await base.close() }
}
