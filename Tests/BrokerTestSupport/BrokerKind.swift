public import Broker
import Foundation
public import Testing

/// The brokers that a test is played on.
public enum BrokerKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case inMemory = "in memory"
    case rabbitMQ = "RabbitMQ"

    public var testDescription: String { rawValue }

    /// The node that tests share.
    public static let url = ProcessInfo.processInfo.environment["RECTIFID_TEST_AMQP_URL"]

    /// RabbitMQ only where a node is given.
    public static let available: [BrokerKind] = url == nil ? [.inMemory] : [.inMemory, .rabbitMQ]

    /// A connection to a real node, which may not be there yet.
    public static func rabbitMQ(
        url: String? = url, _ adjust: (inout RabbitMQConfiguration) -> Void = { _ in }
    ) throws -> RabbitMQBroker {
        var configuration = try RabbitMQConfiguration(url: #require(url))
        configuration.connectionName = "tests"
        configuration.backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(1))
        // A node on a loaded machine may take a minute to restart; nothing here depends on how long that is.
        configuration.callTimeLimit = .seconds(180)
        configuration.publishTimeLimit = .seconds(180)
        adjust(&configuration)
        return RabbitMQBroker(configuration, logger: .tests)
    }
}
