import Broker
import Messages

/// All replies of a queue, so that jobs lost and jobs answered twice show.
struct ReplyTally {
    /// What two replies to the same job must have in common.
    struct Final: Equatable {
        var status: StatusCode
        var picture: ResultPicture?
        var losses: [Float]
        var seed: UInt64

        init(_ result: PersonalizeResult) {
            status = result.status.code
            picture = result.picture
            losses = result.losses
            seed = result.seed
        }
    }

    private(set) var finals: [String: [Final]] = [:]
    /// Where workers began each job, in order.
    private(set) var firstIterations: [String: [Int]] = [:]

    /// A job whose replies do not count.
    var ignored: String?

    /// Jobs that have a final reply.
    var answered: Int { finals.count }
    /// Final replies above one per job.
    var repeated: Int { finals.values.reduce(0) { $0 + $1.count - 1 } }
    /// Jobs whose replies differ.
    var contradictory: [String] {
        finals.filter { $0.value.contains { [first = $0.value[0]] in $0 != first } }.map(\.key)
    }

    mutating func note(_ delivery: Delivery) throws {
        let event = try PersonalizeEvent.decode(delivery.body)
        guard event.jobID != ignored else { return }
        switch event.body {
        case .accepted(let accepted): firstIterations[event.jobID, default: []].append(accepted.firstIteration)
        case .progress: break
        case .result(let result): finals[event.jobID, default: []].append(Final(result))
        }
    }

    /// Reads until so many jobs are answered; `milestone` hears of every new number.
    mutating func read(
        _ queue: String, on broker: RabbitMQBroker, untilAnswered count: Int,
        milestone: (Int) async throws -> Void = { _ in }
    ) async throws {
        let consumer = try await broker.consume(queue: queue, prefetch: 200)
        var iterator = consumer.makeAsyncIterator()
        while answered < count, let delivery = try await iterator.next() {
            let before = answered
            // What cannot be acknowledged comes again, and must not be counted twice.
            do { try await broker.acknowledge(delivery) } catch BrokerError.staleDelivery { continue }
            try note(delivery)
            if answered > before { try await milestone(answered) }
        }
        await consumer.cancel()
    }

    /// Reads what is there now.
    mutating func readRest(_ queue: String, on broker: RabbitMQBroker) async throws {
        while let delivery = try await broker.get(queue: queue) {
            try await broker.acknowledge(delivery)
            try note(delivery)
        }
    }
}
