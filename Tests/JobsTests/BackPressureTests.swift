import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Testing

@Suite(.timeLimit(.minutes(2)))
struct BackPressureTests {
    @Test func limitsAreArgumentsOfTheWorkQueues() throws {
        let pool = try Pool("small", maximumLength: 7, maximumBytes: 1 << 20, shards: 2)
        for queue in pool.topology.queues.prefix(4) {
            let arguments = try queue.arguments()
            #expect(arguments["x-max-length"] == 7 && arguments["x-max-length-bytes"] == 1_048_576)
            #expect(arguments["x-overflow"] == "reject-publish")
        }
        // What exists on brokers today was declared without a limit on bytes, and must stay the same.
        #expect(try Pool.standard.topology.queues[0].arguments()["x-max-length-bytes"] == nil)
        for (length, bytes, shards) in [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 65)] {
            #expect(throws: BrokerError.self) {
                try Pool("bad", maximumLength: length, maximumBytes: bytes, shards: shards)
            }
        }
    }

    @Test(arguments: BrokerKind.available)
    func aFullQueueRefusesByBytes(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let pool = try Pool(stage.pool.name, retryDelays: stage.pool.retryDelays, maximumBytes: 100_000)
            let broker = try await stage.connect()
            try await broker.declare(pool.topology)
            var refusal: BrokerError?
            for _ in 0..<100 where refusal == nil {
                do {
                    try await broker.publish(
                        OutgoingMessage(body: [UInt8](repeating: 1, count: 20_000)), exchange: pool.workExchange,
                        routingKey: "batch")
                } catch { refusal = error as? BrokerError }
            }
            #expect(refusal == .refused(exchange: pool.workExchange, routingKey: "batch"))
            // Only this queue is full.
            try await broker.publish(
                OutgoingMessage(body: [1]), exchange: pool.workExchange, routingKey: "interactive")
            await broker.close()
        }
    }

    /// A worker that must stop while its lane takes nothing more.
    @Test(arguments: BrokerKind.available)
    func aJobIsHandedOverWithItsStateWhenItsLaneIsFull(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let pool = try Pool(
                stage.pool.name, retryDelays: kind == .inMemory ? [.seconds(5)] : [.seconds(3)], maximumLength: 4)
            let broker = try await stage.connect()
            try await broker.declare(pool.topology)
            let client = try await PersonalizationClient.connect(to: broker, pool: pool, replies: .exclusive())
            var configuration = stage.configuration("first")
            configuration.pool = pool
            let gate = PassGate(atPass: 2)
            let gated = ScriptedPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) })
            var submissions: [Submission] = []
            try await stage.withWorker(gated, configuration: configuration) { worker in
                submissions.append(try await client.submit(try Sample.request()))
                await gate.isReached()
                // RabbitMQ takes a few more than the limit.
                do {
                    while submissions.count < 100 { submissions.append(try await client.submit(try Sample.request())) }
                } catch { #expect((error as? ClientError)?.code == .resourceExhausted) }
                #expect(submissions.count < 100)
                worker.drain()
                gate.open()
                try await eventually { worker.health.counts.handedOver == 1 }
            }
            configuration = stage.configuration("second")
            configuration.pool = pool
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer, configuration: configuration) { worker in
                for submission in submissions.dropFirst() { #expect(try await submission.result().status == .ok) }
                if kind == .inMemory { stage.clock.advance(by: .seconds(5)) }
                var firsts: [Int] = []
                for try await event in submissions[0] {
                    if case .accepted(let accepted) = event.body { firsts.append(accepted.firstIteration) }
                    if case .result(let result) = event.body { #expect(result.status == .ok && result.attempt == 1) }
                }
                #expect(firsts == [0, 3])
            }
            await client.close()
            for queue in pool.topology.queues { try await broker.delete(queue: queue.name) }
            for exchange in pool.topology.exchanges { try await broker.delete(exchange: exchange.name) }
            await broker.close()
        }
    }
}
