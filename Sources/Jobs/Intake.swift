import Broker
import Logging
import RectifIDClient

/// Takes jobs from the lanes, one when there is a slot for it.
///
/// A worker asks the lanes in their turn, and subscribes only while both are empty. A standing subscription would be given
/// the next job while the present one runs, and keep it for minutes from workers that have nothing to do; with one
/// subscription per lane even two of them.
struct Intake {
    let broker: any Broker
    let pool: Pool
    let slots: Slots
    let logger: Logger
    private var turns = LaneTurns()

    init(broker: any Broker, pool: Pool, slots: Slots, logger: Logger) {
        self.broker = broker
        self.pool = pool
        self.slots = slots
        self.logger = logger
    }

    /// The next job; nil once the slots are closed.
    mutating func next() async throws(BrokerError) -> (Delivery, Lane)? {
        while !slots.isClosed {
            for lane in turns.order {
                guard let delivery = try await broker.get(queue: pool.workQueue(lane)) else { continue }
                turns.count(lane)
                return (delivery, lane)
            }
            if let (delivery, lane) = try await waitForJob() {
                turns.count(lane)
                return (delivery, lane)
            }
            if Task.isCancelled { throw .cancelled }
        }
        return nil
    }

    /// Subscribes to all lanes until one has a job; nil where the slots closed first.
    private func waitForJob() async throws(BrokerError) -> (Delivery, Lane)? {
        var consumers: [(Lane, Consumer)] = []
        do throws(BrokerError) {
            for lane in Lane.allCases {
                consumers.append((lane, try await broker.consume(queue: pool.workQueue(lane), prefetch: 1)))
            }
        } catch {
            for (_, consumer) in consumers { await consumer.cancel() }
            throw error
        }
        let results = await firstOf(consumers)
        for (_, consumer) in consumers { await consumer.cancel() }

        var taken: (Delivery, Lane)?
        var failure: BrokerError?
        for result in results {
            switch result {
            case .success((let delivery, let lane)):
                // Two jobs can come at the same moment, or one with the end; there is a slot for one.
                if taken == nil, !slots.isClosed {
                    taken = (delivery, lane)
                } else {
                    try? await broker.release(delivery)
                }
            case .failure(let error): failure = error
            }
        }
        if taken == nil, let failure { throw failure }
        return taken
    }

    /// What the subscriptions gave when the first of them gave something, or the slots closed.
    private func firstOf(_ consumers: [(Lane, Consumer)]) async -> [Result<(Delivery, Lane), BrokerError>] {
        await withTaskGroup(of: Result<(Delivery, Lane), BrokerError>?.self) { group in
            group.addTask { [slots] in
                await slots.closed()
                return nil
            }
            for (lane, consumer) in consumers {
                group.addTask {
                    var iterator = consumer.makeAsyncIterator()
                    do throws(BrokerError) {
                        return try await iterator.next().map { .success(($0, lane)) }
                    } catch {
                        return .failure(error)
                    }
                }
            }
            var results: [Result<(Delivery, Lane), BrokerError>] = []
            for await result in group {
                group.cancelAll()
                if let result { results.append(result) }
            }
            return results
        }
    }
}
