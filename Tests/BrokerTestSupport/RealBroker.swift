public import Broker
import Foundation
public import RectifIDClient

/// The node that tests share, and pools of their own on it.
public enum RealBroker {
    public static let url = BrokerKind.url

    public static let isAvailable = url != nil

    /// Whether tests take the time that they take in the brief runs of continuous integration, or all of it.
    public static let isLong = ProcessInfo.processInfo.environment["RECTIFID_TEST_LONG"] != nil

    /// A connection that is there.
    public static func connect(
        _ url: String? = url, port: UInt16? = nil, _ adjust: (inout RabbitMQConfiguration) -> Void = { _ in }
    ) async throws -> RabbitMQBroker {
        let broker = try BrokerKind.rabbitMQ(url: url) {
            if let port { $0.endpoint.port = port }
            adjust(&$0)
        }
        try await broker.ready(within: .seconds(120))
        return broker
    }

    /// A pool with a name of its own and a short retry delay, as ``TinyWorker`` has it.
    public static func pool() throws -> Pool { try Pool(Pool.randomName(), retryDelays: [.milliseconds(100)]) }

    /// Whether no job waits, for a worker or for its next attempt.
    public static func isSettled(_ pool: Pool, on broker: RabbitMQBroker) async throws -> Bool {
        for queue in pool.topology.queues.map(\.name)
        where queue.hasPrefix(pool.name + ".work.") || queue.hasPrefix(pool.name + ".retry.") {
            guard try await broker.depth(of: queue).messages == 0 else { return false }
        }
        return true
    }
}

extension Pool {
    /// A name that no other test has.
    public static func randomName() -> String { "test." + String(UInt64.random(in: .min ... .max), radix: 36) }
}
