import Broker
import BrokerTestSupport
import Jobs
import RectifIDClient
import Testing

@Suite(.timeLimit(.minutes(2)))
struct TopologyTests {
    @Test func namesAndArgumentsAreAsDocumented() throws {
        let topology = Pool.standard.topology
        #expect(
            topology.queues.map(\.name) == [
                "rectifid.work.interactive", "rectifid.work.interactive.1", "rectifid.work.interactive.2",
                "rectifid.work.interactive.3", "rectifid.work.batch", "rectifid.work.batch.1", "rectifid.work.batch.2",
                "rectifid.work.batch.3", "rectifid.retry.5s", "rectifid.retry.30s",
                "rectifid.retry.2min", "rectifid.retry.10min", "rectifid.dead", "rectifid.dead.bin", "rectifid.audit",
                "rectifid.cancel",
            ])
        let work = try topology.queues[0].arguments()
        #expect(work["x-queue-type"] == "quorum" && work["x-delivery-limit"] == 20)
        #expect(work["x-overflow"] == "reject-publish" && work["x-dead-letter-strategy"] == "at-least-once")
        #expect(work["x-dead-letter-exchange"] == "rectifid.dead")
        // Without a routing key of its own a message keeps its lane on the way.
        #expect(work["x-dead-letter-routing-key"] == nil)
        let retry = try topology.queues[10].arguments()
        #expect(retry["x-message-ttl"] == 120_000 && retry["x-dead-letter-exchange"] == "rectifid.work")
        let dead = try topology.queues[12].arguments()
        #expect(dead["x-message-ttl"] == nil && dead["x-dead-letter-exchange"] == nil)
        let bin = try topology.queues[13].arguments()
        #expect(bin["x-message-ttl"] == 604_800_000 && bin["x-dead-letter-exchange"] == nil)
        let audit = try topology.queues[14].arguments()
        #expect(audit["x-max-length"] == 10_000 && audit["x-overflow"] == "drop-head")
    }

    @Test func laterAttemptsWaitLongerAndTheLastDelayServesTheRest() {
        let pool = Pool.standard
        #expect((1...6).map { pool.retryDelay(afterAttempt: $0).components.seconds } == [5, 30, 120, 600, 600, 600])
    }

    @Test(arguments: ["", "two words", "ünïcode", String(repeating: "x", count: 101)])
    func aNameThatTheBrokerWouldNotTakeIsRefused(name: String) {
        #expect(throws: BrokerError.self) { try Pool(name) }
    }

    @Test(arguments: BrokerKind.available)
    func verifyingReportsWhatIsMissingAndMakesNothing(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            let findings = try await stage.pool.findings(on: broker)
            #expect(findings.count == stage.pool.topology.queues.count)
            #expect(findings.allSatisfy { $0.contains("missing") })
            #expect(try await stage.pool.findings(on: broker) == findings)
            try await broker.declare(stage.pool.topology)
            #expect(try await stage.pool.findings(on: broker).isEmpty)
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func verifyingReportsAQueueWithOtherArguments(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            let stricter = try Pool(
                stage.pool.name, retryDelays: stage.pool.retryDelays, deliveryLimit: stage.pool.deliveryLimit + 1)
            let findings = try await stricter.findings(on: broker)
            #expect(
                findings.count == stage.pool.workQueues.count && findings.allSatisfy { $0.contains("other arguments") })
            await broker.close()
        }
    }
}
