extension Topology {
    /// The declarations in order.
    /// - Throws: ``BrokerError/invalid(_:)`` for names and arguments that AMQP cannot carry.
    func declarations() throws(BrokerError) -> [ClientMethod] {
        var steps: [ClientMethod] = []
        for exchange in exchanges {
            try checkShortString(exchange.name, "exchange name")
            steps.append(.declareExchange(exchange))
        }
        for queue in queues {
            try checkShortString(queue.name, "queue name")
            guard !queue.name.isEmpty else { throw .invalid("a queue needs a name to be declared again") }
            let arguments = try queue.arguments()
            let size = try HeaderValue.encodedSize(of: arguments)
            guard size < 64 << 10 else { throw .headerTooLarge(bytes: size, limit: 64 << 10) }
            steps.append(.declareQueue(queue, arguments: arguments))
        }
        for binding in bindings {
            try checkShortString(binding.routingKey, "routing key")
            try checkShortString(binding.exchange, "exchange name")
            try checkShortString(binding.queue, "queue name")
            steps.append(.bind(binding))
        }
        return steps
    }
}

extension ReplyQueue {
    /// The queue to declare.
    ///
    /// The name is made here and not by the broker, so that the queue has the same name after a reconnect: it is
    /// already written in the requests that are under way.
    var declaration: Queue {
        switch self {
        case .exclusive(let name):
            Queue(
                name ?? "rectifid.reply." + randomName(), kind: .classic, isDurable: false, isExclusive: true,
                isAutoDelete: true)
        case .lasting(let name, let unusedFor):
            // Durable: brokers from 4.3 refuse queues that are neither durable nor exclusive.
            Queue(name ?? "rectifid.reply." + randomName(), kind: .classic, unusedExpiry: unusedFor)
        }
    }
}

extension OutgoingMessage {
    /// Refuses a message that the broker would refuse by closing the channel or the connection.
    func check(exchange: String, routingKey: String, overhead: Int, bodyLimit: Int) throws(BrokerError) {
        try checkShortString(exchange, "exchange name")
        try checkShortString(routingKey, "routing key")
        guard body.count <= bodyLimit else { throw .messageTooLarge(bytes: body.count, limit: bodyLimit) }
        let size = try properties.encodedSize() + overhead
        guard size <= MessageProperties.sizeLimit else {
            throw .headerTooLarge(bytes: size, limit: MessageProperties.sizeLimit)
        }
    }
}

extension MessageProperties {
    /// One frame of RabbitMQ's default size, without its 8 bytes of framing.
    static let sizeLimit = 131_072 - 8
}

/// 128 random bits in hexadecimal.
func randomName() -> String {
    (0..<2).map { _ in
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
}
