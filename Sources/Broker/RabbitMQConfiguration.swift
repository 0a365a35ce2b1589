/// How to reach RabbitMQ and how patient to be.
public struct RabbitMQConfiguration: Sendable, Equatable {
    public var endpoint: AMQPEndpoint
    /// Used where the endpoint is encrypted.
    public var tls: TLSOptions
    /// Shown to operators by the broker's connection list.
    public var connectionName: String
    /// After two missed intervals the connection counts as lost; 5 to 20 s is advised (RabbitMQ, "Heartbeats").
    public var heartbeat: Duration
    /// Limits the TCP connection, and again the TLS and AMQP handshakes.
    public var connectTimeLimit: Duration
    /// Limits calls other than ``Broker/publish(_:exchange:routingKey:mandatory:timeLimit:)``, reconnects included.
    public var callTimeLimit: Duration
    /// Limits a publish without a limit of its own: a blocked broker or a lost connection is waited for that long.
    public var publishTimeLimit: Duration
    /// The largest body in bytes that is sent, and the largest incoming one that is kept.
    public var maximumBodySize: Int
    public var backoff: Backoff

    public init(
        endpoint: AMQPEndpoint, tls: TLSOptions = TLSOptions(), connectionName: String = "rectifid",
        heartbeat: Duration = .seconds(10), connectTimeLimit: Duration = .seconds(10),
        callTimeLimit: Duration = .seconds(30), publishTimeLimit: Duration = .seconds(60),
        maximumBodySize: Int = 64 << 20, backoff: Backoff = Backoff()
    ) {
        self.endpoint = endpoint
        self.tls = tls
        self.connectionName = connectionName
        self.heartbeat = heartbeat
        self.connectTimeLimit = connectTimeLimit
        self.callTimeLimit = callTimeLimit
        self.publishTimeLimit = publishTimeLimit
        self.maximumBodySize = maximumBodySize
        self.backoff = backoff
    }

    /// The defaults for a URL.
    /// - Throws: ``BrokerError/invalid(_:)``, as ``AMQPEndpoint/init(url:)``.
    public init(url: String) throws(BrokerError) {
        self.init(endpoint: try AMQPEndpoint(url: url))
    }
}

/// How an encrypted connection proves who is at its ends; TLS 1.2 is the minimum.
public struct TLSOptions: Sendable, Equatable {
    /// How the client logs in.
    public enum Login: Sendable, Equatable {
        /// User name and password of the endpoint.
        case password
        /// The client certificate (SASL EXTERNAL; the broker needs rabbitmq_auth_mechanism_ssl).
        case certificate
    }

    /// Path of the PEM file with the authorities to trust.
    public var authorities: String
    /// Path of the client's PEM certificate chain; needs ``key``.
    public var certificate: String?
    /// Path of the client's PEM private key.
    public var key: String?
    /// Whether the broker's certificate must be signed by one of the authorities.
    public var verifiesPeer: Bool
    /// Whether the broker's certificate must name the host of the endpoint.
    public var verifiesHost: Bool
    public var login: Login

    /// The default authorities are those of the Debian package ca-certificates.
    public init(
        authorities: String = "/etc/ssl/certs/ca-certificates.crt", certificate: String? = nil, key: String? = nil,
        verifiesPeer: Bool = true, verifiesHost: Bool = true, login: Login = .password
    ) {
        self.authorities = authorities
        self.certificate = certificate
        self.key = key
        self.verifiesPeer = verifiesPeer
        self.verifiesHost = verifiesHost
        self.login = login
    }
}
