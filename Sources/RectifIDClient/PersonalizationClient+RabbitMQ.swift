public import Broker
public import Logging

extension PersonalizationClient {
    /// A client with connections of its own to RabbitMQ, which ``close()`` closes.
    ///
    /// - Parameters:
    ///   - rabbitMQ: Address, login, TLS and patience.
    ///   - time: How long to wait for the first connection; later ones are waited for by each call.
    ///   - logger: Hears of lost connections; silent by default.
    /// - Throws: ``ClientError/broker(_:)``.
    public static func connect(
        _ rabbitMQ: RabbitMQConfiguration, within time: Duration = .seconds(30), pool: Pool = .standard,
        replies: ReplyQueue = .lasting(unusedFor: replyQueueExpiry),
        configuration: ClientConfiguration = ClientConfiguration(), logger: Logger? = nil
    ) async throws(ClientError) -> PersonalizationClient {
        let broker = RabbitMQBroker(
            rabbitMQ, logger: logger ?? Logger(label: "rectifid.client") { _ in SwiftLogNoOpLogHandler() })
        do throws(BrokerError) {
            try await broker.ready(within: time)
        } catch {
            await broker.close()
            throw ClientError(error)
        }
        do throws(ClientError) {
            return try await connect(
                to: broker, pool: pool, replies: replies, configuration: configuration, closesBroker: true)
        } catch {
            await broker.close()
            throw error
        }
    }

    /// A client with connections of its own to the RabbitMQ at a URL, `amqp://user:password@host:port/vhost` or
    /// `amqps://`.
    ///
    /// - Throws: ``ClientError/broker(_:)``.
    public static func connect(
        url: String, within time: Duration = .seconds(30), pool: Pool = .standard,
        configuration: ClientConfiguration = ClientConfiguration(), logger: Logger? = nil
    ) async throws(ClientError) -> PersonalizationClient {
        let rabbitMQ: RabbitMQConfiguration
        do throws(BrokerError) { rabbitMQ = try RabbitMQConfiguration(url: url) } catch { throw ClientError(error) }
        return try await connect(
            rabbitMQ, within: time, pool: pool, configuration: configuration, logger: logger)
    }
}
