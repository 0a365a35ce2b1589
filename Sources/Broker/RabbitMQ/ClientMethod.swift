import CRabbitMQ

/// The AMQP methods that this client sends.
enum ClientMethod: Sendable, Equatable {
    case openChannel
    case closeChannel
    case confirmChannelClosed
    case confirmConnectionClosed
    case selectConfirms
    case setPrefetch(UInt16)
    case consume(queue: String, tag: String, streamOffset: String?)
    case cancel(tag: String)
    case get(queue: String)
    case acknowledge(tag: UInt64)
    case reject(tag: UInt64, requeue: Bool)
    /// - Parameter andEarlier: Whether all that came before on the channel and is not settled goes back too.
    case release(tag: UInt64, andEarlier: Bool = false)
    case publish(exchange: String, routingKey: String, mandatory: Bool)
    case declareExchange(Exchange)
    case deleteExchange(String)
    case declareQueue(Queue, arguments: [String: HeaderValue])
    case inspectQueue(String)
    case purgeQueue(String)
    case deleteQueue(String)
    case bind(Binding)

    /// Encodes the method and hands its number and C form to `transmit`.
    func withWireForm(_ transmit: (amqp_method_number_t, UnsafeMutableRawPointer) -> Int32) -> Int32 {
        let arena = FieldArena()
        func send<Form>(_ id: amqp_method_number_t, _ form: Form) -> Int32 {
            var form = form
            return withExtendedLifetime(arena) {
                withUnsafeMutablePointer(to: &form) { transmit(id, UnsafeMutableRawPointer($0)) }
            }
        }
        switch self {
        case .openChannel: return send(AMQP_CHANNEL_OPEN_METHOD, amqp_channel_open_t())
        case .closeChannel:
            return send(
                AMQP_CHANNEL_CLOSE_METHOD,
                amqp_channel_close_t(reply_code: 200, reply_text: arena.bytes("done"), class_id: 0, method_id: 0))
        case .confirmChannelClosed: return send(AMQP_CHANNEL_CLOSE_OK_METHOD, amqp_channel_close_ok_t())
        case .confirmConnectionClosed: return send(AMQP_CONNECTION_CLOSE_OK_METHOD, amqp_connection_close_ok_t())
        case .selectConfirms: return send(AMQP_CONFIRM_SELECT_METHOD, amqp_confirm_select_t())
        case .setPrefetch(let count):
            // Per consumer: quorum queues refuse the global form.
            return send(AMQP_BASIC_QOS_METHOD, amqp_basic_qos_t(prefetch_size: 0, prefetch_count: count, global: 0))
        case .consume(let queue, let tag, let streamOffset):
            var form = amqp_basic_consume_t()
            if let streamOffset { form.arguments = arena.table(["x-stream-offset": .string(streamOffset)]) }
            form.queue = arena.bytes(queue)
            form.consumer_tag = arena.bytes(tag)
            return send(AMQP_BASIC_CONSUME_METHOD, form)
        case .cancel(let tag):
            return send(AMQP_BASIC_CANCEL_METHOD, amqp_basic_cancel_t(consumer_tag: arena.bytes(tag), nowait: 0))
        case .get(let queue):
            return send(AMQP_BASIC_GET_METHOD, amqp_basic_get_t(ticket: 0, queue: arena.bytes(queue), no_ack: 0))
        case .acknowledge(let tag):
            return send(AMQP_BASIC_ACK_METHOD, amqp_basic_ack_t(delivery_tag: tag, multiple: 0))
        case .reject(let tag, let requeue):
            return send(AMQP_BASIC_REJECT_METHOD, amqp_basic_reject_t(delivery_tag: tag, requeue: requeue ? 1 : 0))
        case .release(let tag, let andEarlier):
            return send(
                AMQP_BASIC_NACK_METHOD,
                amqp_basic_nack_t(delivery_tag: tag, multiple: andEarlier ? 1 : 0, requeue: 1))
        case .publish(let exchange, let routingKey, let mandatory):
            return send(
                AMQP_BASIC_PUBLISH_METHOD,
                amqp_basic_publish_t(
                    ticket: 0, exchange: arena.bytes(exchange), routing_key: arena.bytes(routingKey),
                    mandatory: mandatory ? 1 : 0, immediate: 0))
        case .declareExchange(let exchange):
            var form = amqp_exchange_declare_t()
            form.exchange = arena.bytes(exchange.name)
            form.type = arena.bytes(exchange.kind.rawValue)
            form.durable = exchange.isDurable ? 1 : 0
            form.auto_delete = exchange.isAutoDelete ? 1 : 0
            return send(AMQP_EXCHANGE_DECLARE_METHOD, form)
        case .deleteExchange(let name):
            return send(
                AMQP_EXCHANGE_DELETE_METHOD,
                amqp_exchange_delete_t(ticket: 0, exchange: arena.bytes(name), if_unused: 0, nowait: 0))
        case .declareQueue(let queue, let arguments):
            var form = amqp_queue_declare_t()
            form.queue = arena.bytes(queue.name)
            form.durable = queue.isDurable ? 1 : 0
            form.exclusive = queue.isExclusive ? 1 : 0
            form.auto_delete = queue.isAutoDelete ? 1 : 0
            form.arguments = arena.table(arguments)
            return send(AMQP_QUEUE_DECLARE_METHOD, form)
        case .inspectQueue(let name):
            var form = amqp_queue_declare_t()
            form.queue = arena.bytes(name)
            form.passive = 1
            return send(AMQP_QUEUE_DECLARE_METHOD, form)
        case .purgeQueue(let name):
            return send(AMQP_QUEUE_PURGE_METHOD, amqp_queue_purge_t(ticket: 0, queue: arena.bytes(name), nowait: 0))
        case .deleteQueue(let name):
            var form = amqp_queue_delete_t()
            form.queue = arena.bytes(name)
            return send(AMQP_QUEUE_DELETE_METHOD, form)
        case .bind(let binding):
            var form = amqp_queue_bind_t()
            form.queue = arena.bytes(binding.queue)
            form.exchange = arena.bytes(binding.exchange)
            form.routing_key = arena.bytes(binding.routingKey)
            return send(AMQP_QUEUE_BIND_METHOD, form)
        }
    }
}
