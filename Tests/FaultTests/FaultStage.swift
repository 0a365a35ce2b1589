import Broker
import BrokerTestSupport
import Foundation
import Testing

/// A broker seen directly, and through a proxy that can be told to misbehave.
struct FaultyNetwork {
    let proxy: FaultProxy
    /// Not through the proxy.
    let direct: RabbitMQBroker
    let queue: String

    /// Runs a test with a queue of its own.
    static func play(_ body: (FaultyNetwork) async throws -> Void) async throws {
        let direct = try await RealBroker.connect()
        let port = try RabbitMQConfiguration(url: #require(RealBroker.url)).endpoint.port
        let queue = "test-faults-\(UUID())"
        try await direct.declare(Topology(queues: [Queue(queue)]))
        let network = FaultyNetwork(proxy: try FaultProxy(to: port), direct: direct, queue: queue)
        try await attempt {
            try await body(network)
        } cleanup: {
            network.proxy.stop()
            try await direct.delete(queue: queue)
            await direct.close()
        }
    }

    func connect(_ adjust: (inout RabbitMQConfiguration) -> Void = { _ in }) async throws -> RabbitMQBroker {
        try await RealBroker.connect(port: proxy.port, adjust)
    }

    /// Takes and acknowledges, past the proxy, until each of these message ids has come; returns how many came twice.
    func drain(_ expected: Set<String>) async throws -> Int {
        var missing = expected
        var again = 0
        let consumer = try await direct.consume(queue: queue, prefetch: 100)
        var iterator = consumer.makeAsyncIterator()
        while !missing.isEmpty, let delivery = try await iterator.next() {
            if missing.remove(delivery.properties.messageID ?? "") == nil { again += 1 }
            try await direct.acknowledge(delivery)
        }
        await consumer.cancel()
        return again
    }
}
