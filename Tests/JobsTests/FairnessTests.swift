import Broker
import BrokerTestSupport
import Messages
import RectifIDClient
import Testing

@testable import Jobs

@Suite(.timeLimit(.minutes(2)))
struct FairnessTests {
    @Test(arguments: BrokerKind.available, [1, 2])
    func aClientWithAThousandJobsDelaysAnotherByOneJobPerWorker(kind: BrokerKind, workers: Int) async throws {
        try await Stage.play(kind) { stage in
            var log = try await ReplyLog(on: stage)
            let (crowd, guest) = names(of: stage.pool)
            for index in 0..<1000 { try await send("crowd-\(index)", by: crowd, to: log, on: stage) }
            // Every worker holds a job of the crowd when the guest comes.
            let gate = PassGate(atPass: 0)
            let personalizer = ScriptedPersonalizer(onBegin: { (_) throws(Status) in gate.wait(at: 0) })
            var configuration = stage.configuration()
            // These jobs take no time, and hundreds of them pass while an empty queue rests.
            configuration.emptyQueueRest = .zero
            try await withWorkers(workers, personalizer, on: stage, configuration: configuration) {
                for _ in 0..<workers { await gate.isReached() }
                try await send("guest", by: guest, to: log, on: stage)
                gate.open()
                var before = 0
                while try await log.nextResult().jobID != "guest" { before += 1 }
                // Those that ran, and at most one more each that was taken before the guest's turn.
                #expect(before <= 2 * workers, "\(before) jobs came before")
            }
            await log.broker.close()
        }
    }

    @Test func withoutShardsTheSameClientWaitsForAll() async throws {
        try await Stage.play(.inMemory, shards: 1) { stage in
            var log = try await ReplyLog(on: stage)
            for index in 0..<50 { try await send("crowd-\(index)", by: "crowd", to: log, on: stage) }
            try await send("guest", by: "guest", to: log, on: stage)
            try await withWorkers(1, ScriptedPersonalizer(), on: stage) {
                var before = 0
                while try await log.nextResult().jobID != "guest" { before += 1 }
                // A job's answer is on its way while the next one is computed, and these take no time: the last two answers
                // may change places.
                #expect((49...50).contains(before), "\(before) jobs came before")
            }
            await log.broker.close()
        }
    }

    /// Many queues get a job at the same moment while many workers wait: a job that is handed round must not count as
    /// one that fails.
    @Test(arguments: BrokerKind.available)
    func jobsThatComeTogetherAreNotTakenForPoisonousOnes(kind: BrokerKind) async throws {
        try await Stage.play(kind, shards: 8) { stage in
            var log = try await ReplyLog(on: stage)
            var configuration = stage.configuration()
            // Not 0: RabbitMQ may deliver once more after it has confirmed the end of a subscription.
            configuration.maximumRedeliveries = 2
            let (queue, broker, pool) = (log.queue, log.broker, stage.pool)
            let body = try Sample.request().encode()
            try await withWorkers(6, ScriptedPersonalizer(), on: stage, configuration: configuration) {
                for round in 0..<5 {
                    await withThrowingTaskGroup { group in
                        for work in pool.workQueues {
                            group.addTask {
                                let id = "\(round)-\(work.routingKey)"
                                try await broker.publish(
                                    OutgoingMessage(Sample.properties(jobID: id, replyTo: queue), body: body),
                                    exchange: pool.workExchange, routingKey: work.routingKey)
                            }
                        }
                    }
                    var seen: Set<String> = []
                    while seen.count < pool.workQueues.count {
                        let (id, result, _) = try await log.nextResult()
                        #expect(result.status == .ok, "\(id)")
                        seen.insert(id)
                    }
                }
            }
            #expect(try await log.broker.depth(of: stage.pool.deadLetterQueue).messages == 0)
            await log.broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aPoolWithFewerShardsServesThoseThatAreLeft(kind: BrokerKind) async throws {
        try await Stage.play(kind, shards: 6) { stage in
            var log = try await ReplyLog(on: stage)
            for work in stage.pool.workQueues {
                try await log.broker.publish(
                    OutgoingMessage(
                        Sample.properties(jobID: work.routingKey, replyTo: log.queue),
                        body: try Sample.request().encode()), exchange: stage.pool.workExchange,
                    routingKey: work.routingKey)
            }
            var configuration = stage.configuration()
            configuration.pool = try Pool(stage.pool.name, retryDelays: stage.pool.retryDelays, shards: 2)
            try await withWorkers(1, ScriptedPersonalizer(), on: stage, configuration: configuration) {
                var seen: Set<String> = []
                while seen.count < 12 { seen.insert(try await log.nextResult().jobID) }
            }
            await log.broker.close()
        }
    }

    /// Queues of an older version, a client and a worker of this one that may not declare.
    @Test(arguments: BrokerKind.available)
    func aPoolWithoutShardsServesClientsThatHaveNames(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let old = try Pool(stage.pool.name, retryDelays: stage.pool.retryDelays, shards: 1)
            let broker = try await stage.connect()
            try await broker.declare(old.topology)
            var named = ClientConfiguration()
            named.clientName = names(of: stage.pool).guest
            let client = try await PersonalizationClient.connect(
                to: broker, pool: stage.pool, replies: .exclusive(), configuration: named)
            var configuration = stage.configuration()
            configuration.declaresTopology = false
            try await withWorkers(1, ScriptedPersonalizer(), on: stage, configuration: configuration) {
                let result = try await client.submit(try Sample.request()).result()
                #expect(result.status == .ok)
            }
            await client.close()
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aRetryKeepsItsShard(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            await client.close()
            let broker = try await stage.connect()
            var named = ClientConfiguration()
            named.clientName = names(of: stage.pool).guest
            let guest = try await PersonalizationClient.connect(
                to: broker, pool: stage.pool, replies: .exclusive(), configuration: named)
            let failing = ScriptedPersonalizer(onBegin: { (_) throws(Status) in throw Status(.unavailable, "later") })
            let submission = try await guest.submit(try Sample.request())
            try await stage.withWorker(failing) { worker in
                try await eventually { worker.health.counts.retried == 1 }
                worker.drain()
            }
            stage.passRetryDelay()
            let queue = stage.pool.workQueue(stage.pool.workQueue(.interactive, ofClient: named.clientName))
            try await broker.wait(for: 1, in: queue)
            let delivery = try #require(try await broker.get(queue: queue))
            #expect(delivery.properties.messageID == submission.jobID)
            #expect(delivery.properties.headers["rectifid-client"]?.stringValue == named.clientName)
            await guest.close()
            await broker.close()
        }
    }

    @Test func routingKeysAndQueuesCorrespond() {
        for queue in Pool.standard.workQueues { #expect(WorkQueue(routingKey: queue.routingKey) == queue) }
        for key in ["", "express", "batch.0", "batch.01", "batch.64", "batch.-1", "batch.1.2", "batch."] {
            #expect(WorkQueue(routingKey: key) == nil, "\(key)")
        }
        // FNV-1a's own test values: whoever writes a client in another language can compare.
        #expect(Pool.standard.workQueue(.batch, ofClient: "foobar").shard == Int(0xBF9C_F968 as UInt32 % 4))
        #expect(Pool.standard.workQueue(.batch, ofClient: nil).routingKey == "batch")
    }

    /// Two names whose jobs wait in different queues, neither of them the lane's own.
    private func names(of pool: Pool) -> (crowd: String, guest: String) {
        let names = (0..<100).map { "client-\($0)" }
        func shard(_ name: String) -> Int { pool.workQueue(.interactive, ofClient: name).shard }
        let crowd = names.first { shard($0) > 0 } ?? ""
        return (crowd, names.first { shard($0) > 0 && shard($0) != shard(crowd) } ?? "")
    }

    private func send(_ id: String, by client: String, to log: ReplyLog, on stage: Stage) async throws {
        let queue = stage.pool.workQueue(.interactive, ofClient: client)
        try await log.broker.publish(
            OutgoingMessage(
                Sample.properties(jobID: id, replyTo: log.queue), body: try Sample.request(iterations: 0).encode()),
            exchange: stage.pool.workExchange, routingKey: queue.routingKey)
    }

    private func withWorkers(
        _ count: Int, _ personalizer: any Personalizer, on stage: Stage, configuration: WorkerConfiguration? = nil,
        _ body: () async throws -> Void
    ) async throws {
        var configuration = configuration ?? stage.configuration()
        configuration.emptyQueueRest = .zero
        var workers: [(worker: JobWorker, broker: any Broker, life: Task<Void, any Error>)] = []
        let id = configuration.workerID
        for number in 0..<count {
            configuration.workerID = "\(id)-\(number)"
            let broker = try await stage.connect()
            let worker = JobWorker(
                broker: broker, personalizer: personalizer, configuration: configuration, logger: .silent)
            workers.append((worker, broker, Task { try await worker.run() }))
        }
        try await attempt {
            for (worker, _, _) in workers { try await eventually { worker.health.state == .ready } }
            try await body()
        } cleanup: {
            for (worker, _, _) in workers { worker.drain() }
            for (_, broker, life) in workers {
                try await life.value
                await broker.close()
            }
        }
    }
}
