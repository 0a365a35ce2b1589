import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Testing

/// Jobs that are interrupted again and again, and the same jobs left in peace.
struct ResumePlay {
    /// By job id.
    var requests: [String: PersonalizeRequest]
    /// Passes before which the job of a seed is interrupted.
    var plan: [UInt64: Set<Int>]
    let personalizer: any Personalizer

    /// Runs the jobs through one worker after the other, each of which ends at the next planned interruption.
    func interrupted(on broker: RabbitMQBroker, pool: Pool) async throws -> ReplyTally {
        try await broker.declare(pool.topology)
        let replies = try await broker.declareReplyQueue(.exclusive())
        try await publish(on: broker, pool: pool, replies: replies)
        let interrupting = InterruptingPersonalizer(personalizer, plan: plan)
        let count = requests.count
        let reading = Task {
            var tally = ReplyTally()
            try await tally.read(replies, on: broker, untilAnswered: count)
            return tally
        }
        let working = Task {
            while !Task.isCancelled { try await oneWorker(interrupting, on: broker, pool: pool) }
        }
        let result = await reading.result
        working.cancel()
        interrupting.onInterruption {}
        _ = await working.result
        return try result.get()
    }

    /// The same jobs, undisturbed and in memory.
    func undisturbed() async throws -> [String: ReplyTally.Final] {
        let node = InMemoryNode()
        let broker = InMemoryBroker(node: node)
        let pool = try Pool("calm")
        try await broker.declare(pool.topology)
        let replies = try await broker.declareReplyQueue(.exclusive())
        try await publish(on: broker, pool: pool, replies: replies)
        let worker = self.worker(personalizer, on: InMemoryBroker(node: node), pool: pool)
        let working = Task { try await worker.run() }
        var finals: [String: ReplyTally.Final] = [:]
        var iterator = try await broker.consume(queue: replies, prefetch: 10).makeAsyncIterator()
        while finals.count < requests.count, let delivery = try await iterator.next() {
            let event = try PersonalizeEvent.decode(delivery.body)
            if case .result(let result) = event.body { finals[event.jobID] = ReplyTally.Final(result) }
            try await broker.acknowledge(delivery)
        }
        worker.drain()
        try await working.value
        return finals
    }

    private func publish(on broker: any Broker, pool: Pool, replies: String) async throws {
        for (id, request) in requests {
            let properties = MessageProperties(
                contentType: Wire.contentType, type: Wire.Method.personalize.rawValue, messageID: id, correlationID: id,
                replyTo: replies)
            try await broker.publish(
                OutgoingMessage(properties, body: request.encode()), exchange: pool.workExchange,
                routingKey: Lane.interactive.rawValue)
        }
    }

    private func oneWorker(
        _ personalizer: InterruptingPersonalizer, on broker: RabbitMQBroker, pool: Pool
    ) async throws {
        let worker = self.worker(personalizer, on: broker, pool: pool)
        personalizer.onInterruption { worker.drain() }
        try await withTaskCancellationHandler {
            try await worker.run()
        } onCancel: {
            worker.drain()
        }
    }

    private func worker(_ personalizer: any Personalizer, on broker: any Broker, pool: Pool) -> JobWorker {
        var configuration = WorkerConfiguration(workerID: "worker-\(pool.name)")
        configuration.pool = pool
        return JobWorker(
            broker: broker, personalizer: personalizer, configuration: configuration, logger: .tests)
    }
}
