import BrokerTestSupport
import Testing

@testable import Broker

/// Going through a whole queue: taking many at once, and giving all back.
@Suite(.timeLimit(.minutes(2)))
struct PortionTests {
    private func fill(_ pair: Pair, with texts: [String]) async throws -> String {
        // As the dead letters' queue: what comes back keeps its place.
        let queue = Queue(pair.name("work"), deliveryLimit: Int(Int32.max))
        try await pair.first.declare(Topology(queues: [queue]))
        for text in texts { try await pair.publish(text, to: queue.name) }
        try await pair.first.wait(for: texts.count, in: queue.name)
        return queue.name
    }

    private func takeAll(_ queue: String, _ broker: any Broker, count: Int, bytes: Int) async throws -> [Delivery] {
        var all: [Delivery] = []
        while case let portion = try await broker.take(queue: queue, atMost: count, bytes: bytes), !portion.isEmpty {
            #expect(portion.count <= count)
            all += portion
        }
        return all
    }

    /// More than a channel of RabbitMQ 3.10 keeps in order by itself, in portions and on several channels.
    @Test(arguments: BrokerKind.available)
    func everythingIsTakenAndGivenBackInOrder(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let texts = (0..<500).map { "message \($0)" }
            let queue = try await fill(pair, with: texts)
            for _ in 0..<3 {
                let all = try await takeAll(queue, pair.first, count: 150, bytes: 1 << 20)
                #expect(all.map(\.text) == texts)
                #expect(try await pair.second.depth(of: queue).messages == 0)
                await pair.first.release(all.map(\.receipt), to: queue)
                #expect(try await pair.second.depth(of: queue).messages == texts.count)
            }
        }
    }

    @Test(arguments: BrokerKind.available)
    func someAreSettledInBetweenAndTheRestComesBackInOrder(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let texts = (0..<200).map { "message \($0)" }
            let queue = try await fill(pair, with: texts)
            let all = try await takeAll(queue, pair.first, count: 100, bytes: 1 << 20)
            for delivery in all where delivery.text.hasSuffix("7") { try await pair.first.acknowledge(delivery) }
            let kept = all.filter { !$0.text.hasSuffix("7") }
            // Those that are settled already are passed over.
            await pair.first.release(all.map(\.receipt), to: queue)
            let rest = try await takeAll(queue, pair.first, count: 100, bytes: 1 << 20)
            #expect(rest.map(\.text) == kept.map(\.text))
        }
    }

    @Test(arguments: BrokerKind.available)
    func whatHasNoRoomStaysInTheQueue(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let texts = (0..<60).map { "\($0) " + String(repeating: "x", count: 1000) }
            let queue = try await fill(pair, with: texts)
            let portion = try await pair.first.take(queue: queue, atMost: 60, bytes: 20_000)
            // One more than fits, at most.
            #expect(!portion.isEmpty && portion.count <= 21)
            #expect(portion.allSatisfy { $0.omittedBodySize == nil })
            let rest = try await takeAll(queue, pair.first, count: 60, bytes: 1 << 20)
            #expect((portion + rest).map(\.text) == texts)
        }
    }

    @Test(arguments: BrokerKind.available)
    func anEmptyQueueGivesNothing(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await fill(pair, with: [])
            #expect(try await pair.first.take(queue: queue, atMost: 100, bytes: 1000).isEmpty)
            let error = await failure { _ = try await pair.first.take(queue: "no-such", atMost: 1, bytes: 1) }
            #expect(error.isNotFound)
        }
    }

    /// What a cancelled task was given must be in its hands: nobody else can give it back.
    @Test(.enabled(if: RealBroker.isAvailable))
    func aCancelledTaskLosesNothing() async throws {
        try await withBrokers(.rabbitMQ) { pair in
            let texts = (0..<100).map { "message \($0)" }
            let queue = try await fill(pair, with: texts)
            let taking = Task { try await pair.first.take(queue: queue, atMost: 100, bytes: 1 << 20) }
            taking.cancel()
            let taken = try await taking.value
            #expect(taken.map(\.text) == texts)
        }
    }
}
