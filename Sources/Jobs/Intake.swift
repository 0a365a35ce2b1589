import Broker
import Logging
import RectifIDClient

/// Takes jobs from the lanes, one when there is a slot for it.
///
/// A worker asks the lanes in their turn and in a lane its shards in theirs, and subscribes only while all are empty. A
/// standing subscription would be given the next job while the present one runs, and keep it for minutes from workers that
/// have nothing to do; with one subscription per queue even many of them.
struct Intake {
    let broker: any Broker
    let configuration: WorkerConfiguration
    let slots: Slots
    let served: ServedQueues
    let logger: Logger
    private var turns = LaneTurns()
    private var shards: [Lane: ShardTurns] = [:]
    /// When to look for shards beyond the pool's own.
    private var nextSurvey: ContinuousClock.Instant?

    private static let surveyInterval = Duration.seconds(600)

    init(
        broker: any Broker, configuration: WorkerConfiguration, slots: Slots, served: ServedQueues, logger: Logger
    ) {
        self.broker = broker
        self.configuration = configuration
        self.slots = slots
        self.served = served
        self.logger = logger
    }

    private var pool: Pool { configuration.pool }

    /// The next job; nil once the slots are closed.
    mutating func next() async throws(BrokerError) -> (Delivery, WorkQueue)? {
        do throws(BrokerError) {
            while !slots.isClosed {
                try await survey()
                if let taken = try await takeInTurn() { return taken }
                if let taken = try await waitForJob() {
                    count(taken.1)
                    return taken
                }
                if Task.isCancelled { throw BrokerError.cancelled }
            }
            return nil
        } catch {
            // Somebody may have deleted a shard.
            nextSurvey = nil
            throw error
        }
    }

    private mutating func count(_ queue: WorkQueue) {
        turns.count(queue.lane)
        shards[queue.lane]?.served(queue)
    }

    /// Asks every queue once: those that were empty a moment ago only where all others are.
    private mutating func takeInTurn() async throws(BrokerError) -> (Delivery, WorkQueue)? {
        let start = ContinuousClock.now
        let order = turns.order.flatMap { shards[$0]?.order ?? [] }
        let resting = order.filter { shards[$0.lane]?.isResting($0, at: start) ?? false }
        for queue in order.filter({ !resting.contains($0) }) + resting {
            if let delivery = try await broker.get(queue: pool.workQueue(queue)) {
                count(queue)
                return (delivery, queue)
            }
            let end = ContinuousClock.now + configuration.emptyQueueRest
            shards[queue.lane]?.foundEmpty(queue, restsUntil: end)
        }
        return nil
    }

    /// Finds out how many shards the lanes have.
    ///
    /// The pool's own, and those that are left of a pool that had more, or that another worker has declared. As long as
    /// they exist, clients may publish there.
    private mutating func survey() async throws(BrokerError) {
        guard nextSurvey.map({ ContinuousClock.now >= $0 }) ?? true else { return }
        for lane in Lane.allCases {
            // Where the topology was declared by somebody else it may have fewer too.
            var count = configuration.declaresTopology ? pool.shards : 1
            while count < Pool.maximumShards, try await exists(WorkQueue(lane, shard: count)) { count += 1 }
            if shards[lane]?.queues.count != count { shards[lane] = ShardTurns(lane, count: count) }
            served.note(count, of: lane)
            if count > pool.shards {
                logger.notice(
                    "there are more shards than this pool has; they are served too",
                    metadata: ["lane": "\(lane.rawValue)", "shards": "\(count)", "own": "\(pool.shards)"])
            }
        }
        nextSurvey = .now + Self.surveyInterval
    }

    private func exists(_ queue: WorkQueue) async throws(BrokerError) -> Bool {
        do throws(BrokerError) {
            _ = try await broker.depth(of: pool.workQueue(queue))
            return true
        } catch {
            guard case .notFound = error else { throw error }
            return false
        }
    }

    /// Subscribes to all queues until one has a job; nil where the slots closed first, or it is time for a survey.
    private func waitForJob() async throws(BrokerError) -> (Delivery, WorkQueue)? {
        let consumers = try await subscribe()
        var taken: (Delivery, WorkQueue)?
        var failure: BrokerError?
        for result in await firstOf(consumers) {
            switch result {
            case .success((let delivery, let queue)):
                // Several jobs can come at the same moment, or one with the end; there is a slot for one.
                if taken == nil, !slots.isClosed {
                    taken = (delivery, queue)
                } else {
                    await putBack(delivery, to: queue)
                }
            case .failure(let error): failure = error
            }
        }
        if taken == nil, let failure { throw failure }
        return taken
    }

    private func subscribe() async throws(BrokerError) -> [(WorkQueue, Consumer)] {
        typealias Subscribed = Result<(WorkQueue, Consumer), BrokerError>
        let results = await withTaskGroup(of: Subscribed.self) { [broker, pool] group in
            for queue in Lane.allCases.flatMap({ shards[$0]?.queues ?? [] }) {
                group.addTask {
                    do throws(BrokerError) {
                        return .success((queue, try await broker.consume(queue: pool.workQueue(queue), prefetch: 1)))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: [Subscribed]()) { $0.append($1) }
        }
        do throws(BrokerError) {
            var consumers: [(WorkQueue, Consumer)] = []
            for result in results { consumers.append(try result.get()) }
            return consumers
        } catch {
            for case .success((_, let consumer)) in results { await consumer.cancel() }
            throw error
        }
    }

    /// What the subscriptions gave until the first of them gave something, or the slots closed; they are cancelled then.
    private func firstOf(_ consumers: [(WorkQueue, Consumer)]) async -> [Result<(Delivery, WorkQueue), BrokerError>] {
        await withTaskGroup(of: Result<(Delivery, WorkQueue), BrokerError>?.self) { group in
            group.addTask { [slots] in
                await slots.closed()
                return nil
            }
            group.addTask { [clock = configuration.clock] in
                try? await clock.sleep(for: Self.surveyInterval)
                return nil
            }
            for (queue, consumer) in consumers {
                group.addTask {
                    var iterator = consumer.makeAsyncIterator()
                    do throws(BrokerError) {
                        return try await iterator.next().map { .success(($0, queue)) }
                    } catch {
                        return .failure(error)
                    }
                }
            }
            var results: [Result<(Delivery, WorkQueue), BrokerError>] = []
            if let result = await group.next() { results += [result].compactMap { $0 } }
            // What comes until the broker has heard of it is taken too, not given back as a delivery that failed.
            let rest = await withTaskGroup(of: [(Delivery, WorkQueue)].self) { group in
                for (queue, consumer) in consumers {
                    group.addTask { await consumer.cancelAndTakeRest().map { ($0, queue) } }
                }
                return await group.reduce(into: []) { $0 += $1 }
            }
            group.cancelAll()
            for await result in group { results += [result].compactMap { $0 } }
            return results + rest.map { .success($0) }
        }
    }

    /// Gives a job back that came together with another.
    ///
    /// Published again, where that loses nothing: to RabbitMQ before 4.3 a message that is given back has failed once
    /// more, and with many idle workers and queues a sound job would fail so often that it is taken for a poisonous one.
    private func putBack(_ delivery: Delivery, to queue: WorkQueue) async {
        var properties = delivery.properties.forRepublishing
        properties.headers[Wire.Header.due] = delivery.properties.headers[Wire.Header.due]
        if delivery.redeliveries > 0 {
            properties.headers[JobHeader.redeliveries] = .int64(Int64(delivery.redeliveries))
        }
        do throws(BrokerError) {
            guard delivery.omittedBodySize == nil, delivery.properties.expiration == nil else { throw .cancelled }
            try await broker.publish(
                OutgoingMessage(properties, body: delivery.body), exchange: pool.workExchange,
                routingKey: queue.routingKey, mandatory: true, timeLimit: .seconds(5))
            try await broker.acknowledge(delivery)
        } catch {
            try? await broker.release(delivery)
        }
    }
}
