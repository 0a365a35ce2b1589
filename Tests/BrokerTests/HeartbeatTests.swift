import BrokerTestSupport
import Foundation
import Testing

@testable import Broker

@Suite(.timeLimit(.minutes(60)), .enabled(if: BrokerKind.url != nil))
struct HeartbeatTests {
    /// With `RECTIFID_TEST_HEARTBEAT_MINUTES` for so long with an interval of 5 s, otherwise for 8 s with one of 2 s, after
    /// which the broker would have dropped a silent client twice: it does so after two to three intervals.
    @Test func `Heartbeats go on while every core computes`() async throws {
        let minutes = ProcessInfo.processInfo.environment["RECTIFID_TEST_HEARTBEAT_MINUTES"].flatMap { Int($0) }
        let broker = try BrokerKind.rabbitMQ { $0.heartbeat = .seconds(minutes == nil ? 2 : 5) }
        try await broker.ready(within: .seconds(120))
        let losses = Task { [states = broker.states] in
            await states.reduce(0) { if case .disconnected = $1 { $0 + 1 } else { $0 } }
        }
        let queue = try await broker.declareReplyQueue(.exclusive())
        let consumer = try await broker.consume(queue: queue, prefetch: 1)
        try await broker.publish(OutgoingMessage(body: [1]), exchange: "", routingKey: queue)
        let delivery = try await consumer.take()
        let end = ContinuousClock.now + .seconds(minutes.map { $0 * 60 } ?? 8)
        let results = await withTaskGroup(of: UInt64.self) { group in
            for seed in 0..<(ProcessInfo.processInfo.activeProcessorCount * 2) {
                group.addTask {
                    var value = UInt64(seed) | 1
                    while ContinuousClock.now < end {
                        for _ in 0..<100_000 { value = value &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407 }
                    }
                    return value
                }
            }
            return await group.reduce(0, ^)
        }
        #expect(results != 0)
        // Had the connection been lost in between, the receipt would be stale.
        try await broker.acknowledge(delivery)
        #expect(broker.state == .connected)
        try await broker.publish(OutgoingMessage(body: [2]), exchange: "", routingKey: queue)
        #expect(try await consumer.take().body == [2])
        await broker.close()
        #expect(await losses.value == 0)
    }
}
