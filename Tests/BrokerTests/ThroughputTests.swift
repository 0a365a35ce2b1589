import BrokerTestSupport
import Foundation
import Testing

@testable import Broker

/// Numbers for the record, printed and not judged: they are the machine's as much as ours.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["RECTIFID_TEST_MEASURE"] != nil))
struct ThroughputTests {
    @Test(arguments: BrokerKind.available, [Queue.Kind.classic, .quorum])
    func `Confirmed publishes per second and the time of one`(kind: BrokerKind, queueKind: Queue.Kind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue(kind: queueKind)
            let message = OutgoingMessage(body: Array(repeating: 1, count: 1000))
            let (workers, rounds) = (200, 100)
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<workers {
                    group.addTask {
                        for _ in 0..<rounds {
                            try await pair.first.publish(message, exchange: "", routingKey: queue)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let seconds = start.duration(to: .now) / .seconds(1)
            var latencies: [Double] = []
            for _ in 0..<500 {
                let start = ContinuousClock.now
                try await pair.first.publish(message, exchange: "", routingKey: queue)
                latencies.append(start.duration(to: .now) / .milliseconds(1))
            }
            latencies.sort()
            let consumer = try await pair.second.consume(queue: queue, prefetch: 300)
            let consuming = ContinuousClock.now
            for _ in 0..<workers * rounds { try await pair.second.acknowledge(try await consumer.take()) }
            let consumed = consuming.duration(to: .now) / .seconds(1)
            print(
                "\(kind.rawValue), \(queueKind.rawValue): \(Int(Double(workers * rounds) / seconds)) confirmed publishes/s",
                "with \(workers) in flight; one after the other: median \(latencies[250]) ms, 99 % \(latencies[495]) ms;",
                "\(Int(Double(workers * rounds) / consumed)) consumed and acknowledged/s")
        }
    }

    @Test(arguments: BrokerKind.available)
    func `Megabytes per second`(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let queue = try await pair.declareQueue()
            let message = OutgoingMessage(body: Array(repeating: 1, count: 20_000_000))
            let start = ContinuousClock.now
            for _ in 0..<5 {
                try await pair.first.publish(message, exchange: "", routingKey: queue)
                try await pair.second.acknowledge(try #require(try await pair.second.get(queue: queue)))
            }
            print("\(kind.rawValue): \(Int(100 / (start.duration(to: .now) / .seconds(1)))) MB/s out and in")
        }
    }
}
