import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Synchronization

extension Stage {
    /// Writes a dead letter as a worker does.
    func writeLetter(
        _ id: String?, code: String = "INTERNAL", reason: String = "a reason", lane: Lane = .batch,
        time: UnixMilliseconds? = nil, body: [UInt8] = [1, 2, 3], headers: [String: HeaderValue] = [:],
        adjust: (inout MessageProperties) -> Void = { _ in }, with broker: any Broker
    ) async throws {
        var properties = Sample.properties(jobID: id ?? "", replyTo: "nowhere")
        properties.messageID = id
        properties.headers = headers
        properties.headers[Wire.Header.deathCode] = .string(code)
        properties.headers[Wire.Header.deathReason] = .string(reason)
        properties.headers[Wire.Header.attempt] = 3
        properties.headers[Wire.Header.deathLastTime] = time.map { .int64($0) }
        properties.headers[Wire.Header.deathFirstTime] = time.map { .int64($0 - 1000) }
        adjust(&properties)
        try await broker.publish(
            OutgoingMessage(properties, body: body), exchange: pool.deadLetterExchange, routingKey: lane.rawValue)
    }

    /// A queue of letters with an operator of its own.
    func letters(
        _ compartment: DeadLetterQueue.Compartment = .letters, by name: String = "ann@desk", with broker: any Broker
    ) -> DeadLetterQueue {
        DeadLetterQueue(
            broker: broker, pool: pool, compartment: compartment, operatorName: name, logger: .silent,
            wallTime: WallTime { 1_700_000_000_000 })
    }

    /// Takes everything out of a queue.
    func drain(_ queue: String, with broker: any Broker) async throws -> [Delivery] {
        var deliveries: [Delivery] = []
        while let delivery = try await broker.get(queue: queue) {
            try await broker.acknowledge(delivery)
            deliveries.append(delivery)
        }
        return deliveries
    }
}

/// A connection of a process that dies at a chosen step: before the broker has heard of it, or before the process has
/// heard of the broker's answer.
final class MortalBroker: Broker {
    enum Death: Sendable, CaseIterable { case beforeTheBroker, beforeTheAnswer }

    private let base: any Broker
    private let death: Death
    private let lastStep: Int
    private let steps = Mutex(0)

    /// - Parameter lastStep: Number of the get, publish or settlement at which it dies, from 1.
    init(_ base: any Broker, dies death: Death, at lastStep: Int) {
        self.base = base
        self.death = death
        self.lastStep = lastStep
    }

    var isAlive: Bool { steps.withLock { $0 < lastStep } }

    private func step<Value: Sendable>(
        _ body: () async throws(BrokerError) -> Value
    ) async throws(BrokerError) -> Value {
        let number = steps.withLock { steps in
            steps += 1
            return steps
        }
        guard number < lastStep else {
            if number == lastStep, death == .beforeTheAnswer { _ = try await body() }
            await base.close()
            throw .closed
        }
        return try await body()
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
        try await step { () throws(BrokerError) in
            try await base.publish(
                message, exchange: exchange, routingKey: routingKey, mandatory: mandatory, timeLimit: timeLimit)
        }
    }
    func consume(queue: String, prefetch: UInt16, consumerTag: String?) async throws(BrokerError) -> Consumer {
        try await base.consume(queue: queue, prefetch: prefetch, consumerTag: consumerTag)
    }
    func read(stream: String, since age: Duration, prefetch: UInt16) async throws(BrokerError) -> Consumer {
        try await base.read(stream: stream, since: age, prefetch: prefetch)
    }
    func get(queue: String) async throws(BrokerError) -> Delivery? {
        try await step { () throws(BrokerError) in try await base.get(queue: queue) }
    }
    func acknowledge(_ receipt: Receipt) async throws(BrokerError) {
        try await step { () throws(BrokerError) in try await base.acknowledge(receipt) }
    }
    func reject(_ receipt: Receipt, requeue: Bool) async throws(BrokerError) {
        try await step { () throws(BrokerError) in try await base.reject(receipt, requeue: requeue) }
    }
    func release(_ receipt: Receipt) async throws(BrokerError) {
        try await step { () throws(BrokerError) in try await base.release(receipt) }
    }
    func depth(of queue: String) async throws(BrokerError) -> QueueDepth { try await base.depth(of: queue) }
    func purge(queue: String) async throws(BrokerError) -> Int { try await base.purge(queue: queue) }
    func delete(queue: String) async throws(BrokerError) { try await base.delete(queue: queue) }
    func delete(exchange: String) async throws(BrokerError) { try await base.delete(exchange: exchange) }
    func close() async { await base.close() }
}

/// Counts from 1.
final class Losses: Sendable {
    private let count = Mutex(0)

    func next() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }
}
