import ArgumentParser
import Broker
import Logging
import RectifIDClient
import Telemetry

/// What log lines look like.
enum LogFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
}

/// How to reach RabbitMQ, and whose queues to use there; shared by all commands that do.
struct BrokerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The broker, amqp://user:password@host:port/vhost or amqps://; the nodes of a cluster as host:port,host:port. \
            [RECTIFID_AMQP_URL]
            """, valueName: "url"))
    var amqpURL: String?

    @Option(help: "Name that the pool's exchanges and queues begin with; rectifid by default. [RECTIFID_POOL]")
    var pool: String?

    @Option(
        help: """
            Queues of each lane, among which clients are spread so that none waits for all of another's jobs, 1 to 64; 4 by \
            default. The same for all of a pool, though a difference loses no job. [RECTIFID_SHARDS]
            """)
    var shards: Int?

    @Option(
        help: """
            Jobs that may wait in a queue before it refuses more; 100000 by default. A queue that exists keeps what it was \
            declared with: change that by a policy. [RECTIFID_MAXIMUM_LENGTH]
            """)
    var maximumLength: Int?

    @Option(
        help: "Bytes of jobs that may wait in a queue; no limit by default. As above. [RECTIFID_MAXIMUM_BYTES]")
    var maximumBytes: Int?

    @Option(help: "PEM file of the authorities to trust with amqps; the system's by default. [RECTIFID_TLS_CA]")
    var tlsCA: String?

    @Option(help: "PEM file of the client's certificate. [RECTIFID_TLS_CERTIFICATE]")
    var tlsCertificate: String?

    @Option(help: "PEM file of the client's key. [RECTIFID_TLS_KEY]")
    var tlsKey: String?

    @Option(
        help: """
            How to log in with amqps: password, or certificate, which takes the user from the client's certificate \
            (SASL EXTERNAL); password by default. [RECTIFID_TLS_LOGIN]
            """)
    var tlsLogin: String?

    @Option(
        help: """
            Seconds to wait for the broker at the start; 30 by default, and without a limit for a worker. \
            [RECTIFID_CONNECT_TIMEOUT]
            """)
    var connectTimeout: Int?

    @Option(help: "trace, debug, info, notice, warning, error or critical. [RECTIFID_LOG_LEVEL]")
    var logLevel: Logger.Level?

    @Option(help: "How lines are logged on standard error, text or json; text by default. [RECTIFID_LOG_FORMAT]")
    var logFormat: LogFormat?

    static let standardURL = "amqp://guest:guest@127.0.0.1:5672/"

    mutating func validate() throws {
        amqpURL = try EnvironmentValue.value(amqpURL, "amqp-url")
        pool = try EnvironmentValue.value(pool, "pool")
        shards = try EnvironmentValue.value(shards, "shards")
        maximumLength = try EnvironmentValue.value(maximumLength, "maximum-length")
        maximumBytes = try EnvironmentValue.value(maximumBytes, "maximum-bytes")
        tlsCA = try EnvironmentValue.value(tlsCA, "tls-ca")
        tlsCertificate = try EnvironmentValue.value(tlsCertificate, "tls-certificate")
        tlsKey = try EnvironmentValue.value(tlsKey, "tls-key")
        tlsLogin = try EnvironmentValue.value(tlsLogin, "tls-login")
        connectTimeout = try EnvironmentValue.value(connectTimeout, "connect-timeout")
        logLevel = try EnvironmentValue.value(logLevel, "log-level")
        logFormat = try EnvironmentValue.value(logFormat, "log-format")
        if let seconds = connectTimeout, !(1...86_400).contains(seconds) {
            throw ValidationError("--connect-timeout \(seconds); 1 to 86400 seconds are possible")
        }
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key belong together")
        }
        guard ["password", "certificate", nil].contains(tlsLogin) else {
            throw ValidationError("--tls-login \(tlsLogin ?? ""); password and certificate are possible")
        }
        guard tlsLogin != "certificate" || tlsCertificate != nil else {
            throw ValidationError("--tls-login certificate needs --tls-certificate and --tls-key")
        }
        do {
            _ = try namedPool()
            _ = try RabbitMQConfiguration(url: amqpURL ?? Self.standardURL)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// Who the broker takes this command for, where the URL says so.
    var user: String? { try? RabbitMQConfiguration(url: amqpURL ?? Self.standardURL).endpoint.username }

    func namedPool() throws(BrokerError) -> Pool {
        let standard = Pool.standard
        return try Pool(
            pool ?? standard.name, maximumLength: maximumLength ?? standard.maximumLength, maximumBytes: maximumBytes,
            shards: shards ?? standard.shards)
    }

    /// Logs to standard error.
    func logger(_ label: String, standardLevel: Logger.Level = .warning) -> Logger {
        var logger = Logger(label: label) { label in
            switch logFormat ?? .text {
            case .text: StreamLogHandler.standardError(label: label)
            case .json: JSONLogHandler(label: label)
            }
        }
        logger.logLevel = logLevel ?? standardLevel
        return logger
    }

    /// Connects, and waits until the connection is up.
    ///
    /// - Parameter maximumBodySize: The largest body in bytes that is read or sent; nil: the usual.
    /// - Throws: ``CommandFailure`` where it does not come up in time.
    func connect(name: String, logger: Logger, maximumBodySize: Int? = nil) async throws -> RabbitMQBroker {
        do throws(BrokerError) {
            let configuration = try rabbitMQ(name: name, maximumBodySize: maximumBodySize)
            return try await connect(configuration, within: connectTimeout ?? 30, logger)
        } catch {
            throw CommandFailure(.unavailable, "\(error)")
        }
    }

    /// Begins to connect for a worker, which waits by itself; where a limit is given, waits for that long.
    func connectWorker(name: String, logger: Logger) async throws -> RabbitMQBroker {
        do throws(BrokerError) {
            let configuration = try rabbitMQ(name: name)
            guard let connectTimeout else { return RabbitMQBroker(configuration, logger: logger) }
            return try await connect(configuration, within: connectTimeout, logger)
        } catch {
            throw CommandFailure(.unavailable, "\(error)")
        }
    }

    private func connect(
        _ configuration: RabbitMQConfiguration, within seconds: Int, _ logger: Logger
    ) async throws(BrokerError) -> RabbitMQBroker {
        let broker = RabbitMQBroker(configuration, logger: logger)
        do throws(BrokerError) {
            try await broker.ready(within: .seconds(seconds))
        } catch {
            await broker.close()
            throw error
        }
        return broker
    }

    private func rabbitMQ(
        name: String, maximumBodySize: Int? = nil
    ) throws(BrokerError) -> RabbitMQConfiguration {
        var configuration = try RabbitMQConfiguration(url: amqpURL ?? Self.standardURL)
        configuration.connectionName = name
        if let maximumBodySize { configuration.maximumBodySize = maximumBodySize }
        if let tlsCA { configuration.tls.authorities = tlsCA }
        configuration.tls.certificate = tlsCertificate
        configuration.tls.key = tlsKey
        if tlsLogin == "certificate" { configuration.tls.login = .certificate }
        return configuration
    }

    /// Runs a command's body with a connection, and closes it.
    func withBroker(_ name: String, _ body: (RabbitMQBroker, Pool) async throws -> Void) async throws {
        try await CommandFailure.reporting {
            let broker = try await connect(name: name, logger: logger(name))
            do {
                try await body(broker, try namedPool())
                await broker.close()
            } catch {
                await broker.close()
                if let error = error as? BrokerError { throw CommandFailure(.unavailable, "\(error)") }
                if let error = error as? ClientError { throw CommandFailure(error) }
                throw error
            }
        }
    }
}

extension CommandFailure {
    /// Why a client has no answer.
    init(_ error: ClientError) {
        let code: Code =
            switch error {
            case .broker, .closed: error.isRetryable ? .temporary : .unavailable
            default: Code(error.code)
            }
        self.init(code, "\(error)")
    }
}
