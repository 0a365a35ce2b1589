import Broker
import Jobs
import Messages
import RectifIDClient

/// A reply queue read as it is, so that repeated results show too.
struct ReplyLog {
    let queue: String
    let broker: any Broker
    private var iterator: Consumer.AsyncIterator

    init(on stage: Stage) async throws {
        broker = try await stage.connect()
        try await broker.declare(stage.pool.topology)
        queue = try await broker.declareReplyQueue(.exclusive())
        iterator = try await broker.consume(queue: queue, prefetch: 100).makeAsyncIterator()
    }

    mutating func next() async throws -> (event: PersonalizeEvent, delivery: Delivery) {
        guard let delivery = try await iterator.next() else { throw BrokerError.closed }
        try await broker.acknowledge(delivery)
        return (try PersonalizeEvent.decode(delivery.body), delivery)
    }

    /// The next result, whatever comes before it.
    mutating func nextResult() async throws -> (jobID: String, result: PersonalizeResult, delivery: Delivery) {
        while true {
            let (event, delivery) = try await next()
            if case .result(let result) = event.body { return (event.jobID, result, delivery) }
        }
    }
}

extension Broker {
    /// Publishes bytes as a job.
    func publishJob(_ properties: MessageProperties, body: [UInt8], pool: Pool, lane: Lane = .interactive) async throws
    {
        try await publish(
            OutgoingMessage(properties, body: body), exchange: pool.workExchange, routingKey: lane.rawValue)
    }
}
