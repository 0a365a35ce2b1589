/// Exchanges, queues and bindings that belong together; declared in this order.
public struct Topology: Sendable, Equatable {
    public var exchanges: [Exchange]
    public var queues: [Queue]
    public var bindings: [Binding]

    public init(exchanges: [Exchange] = [], queues: [Queue] = [], bindings: [Binding] = []) {
        self.exchanges = exchanges
        self.queues = queues
        self.bindings = bindings
    }
}

/// An exchange.
public struct Exchange: Sendable, Equatable {
    /// How an exchange picks queues.
    public enum Kind: String, Sendable, Equatable {
        /// By equality of routing key and binding key.
        case direct
        /// All bound queues.
        case fanout
        /// By dotted patterns, `*` for one word, `#` for any number.
        case topic
    }

    public var name: String
    public var kind: Kind
    public var isDurable: Bool
    public var isAutoDelete: Bool

    public init(_ name: String, kind: Kind = .direct, isDurable: Bool = true, isAutoDelete: Bool = false) {
        self.name = name
        self.kind = kind
        self.isDurable = isDurable
        self.isAutoDelete = isAutoDelete
    }
}

/// A route from an exchange to a queue.
public struct Binding: Sendable, Equatable {
    public var exchange: String
    public var queue: String
    public var routingKey: String

    public init(exchange: String, queue: String, routingKey: String) {
        self.exchange = exchange
        self.queue = queue
        self.routingKey = routingKey
    }
}

/// A queue for the answers to one client.
public enum ReplyQueue: Sendable, Equatable {
    /// Lives and dies with this connection; replies that arrive while the connection is down are lost. Nil: a generated
    /// name.
    case exclusive(name: String? = nil)
    /// Survives reconnects and restarts of the client, and is deleted after `unusedFor` without consumers.
    case lasting(name: String? = nil, unusedFor: Duration)
}
