import CRabbitMQ

/// The AMQP methods that the broker sends to this client.
enum ServerMethod: Sendable, Equatable {
    case channelOpened
    /// `isAnswer`: to a method, not to something that went on by itself.
    case channelClosed(code: Int, text: String, isAnswer: Bool)
    case channelCloseConfirmed
    case connectionClosed(code: Int, text: String)
    case blocked(reason: String)
    case unblocked
    case confirmsSelected
    case prefetchSet
    case consuming
    case cancelled(tag: String)
    case cancelConfirmed
    case delivered(tag: UInt64, isRedelivered: Bool, exchange: String, routingKey: String)
    case got(tag: UInt64, isRedelivered: Bool, exchange: String, routingKey: String)
    case gotNothing
    case acknowledged(tag: UInt64, multiple: Bool)
    case refused(tag: UInt64, multiple: Bool)
    case returned(code: Int, text: String)
    case exchangeDeclared
    case exchangeDeleted
    case queueDeclared(messages: Int, consumers: Int)
    case queueBound
    case queuePurged(messages: Int)
    case queueDeleted(messages: Int)
    /// Nothing that this client asked for.
    case other(UInt32)

    /// Copies a decoded method.
    init(_ method: amqp_method_t) {
        guard let decoded = method.decoded else {
            self = .other(method.id)
            return
        }
        self = Self.basic(method.id, decoded) ?? Self.control(method.id, decoded) ?? .other(method.id)
    }

    /// Methods of the classes basic and confirm.
    private static func basic(_ id: amqp_method_number_t, _ decoded: UnsafeMutableRawPointer) -> ServerMethod? {
        switch id {
        case AMQP_CONFIRM_SELECT_OK_METHOD: return .confirmsSelected
        case AMQP_BASIC_QOS_OK_METHOD: return .prefetchSet
        case AMQP_BASIC_CONSUME_OK_METHOD: return .consuming
        case AMQP_BASIC_CANCEL_METHOD:
            return .cancelled(tag: String(decoded.load(as: amqp_basic_cancel_t.self).consumer_tag))
        case AMQP_BASIC_CANCEL_OK_METHOD: return .cancelConfirmed
        case AMQP_BASIC_DELIVER_METHOD:
            let form = decoded.load(as: amqp_basic_deliver_t.self)
            return .delivered(
                tag: form.delivery_tag, isRedelivered: form.redelivered != 0, exchange: String(form.exchange),
                routingKey: String(form.routing_key))
        case AMQP_BASIC_GET_OK_METHOD:
            let form = decoded.load(as: amqp_basic_get_ok_t.self)
            return .got(
                tag: form.delivery_tag, isRedelivered: form.redelivered != 0, exchange: String(form.exchange),
                routingKey: String(form.routing_key))
        case AMQP_BASIC_GET_EMPTY_METHOD: return .gotNothing
        case AMQP_BASIC_ACK_METHOD:
            let form = decoded.load(as: amqp_basic_ack_t.self)
            return .acknowledged(tag: form.delivery_tag, multiple: form.multiple != 0)
        case AMQP_BASIC_NACK_METHOD:
            let form = decoded.load(as: amqp_basic_nack_t.self)
            return .refused(tag: form.delivery_tag, multiple: form.multiple != 0)
        case AMQP_BASIC_RETURN_METHOD:
            let form = decoded.load(as: amqp_basic_return_t.self)
            return .returned(code: Int(form.reply_code), text: String(form.reply_text))
        default: return nil
        }
    }

    /// Methods of the classes connection, channel, exchange and queue.
    private static func control(_ id: amqp_method_number_t, _ decoded: UnsafeMutableRawPointer) -> ServerMethod? {
        switch id {
        case AMQP_CHANNEL_OPEN_OK_METHOD: return .channelOpened
        case AMQP_CHANNEL_CLOSE_METHOD:
            let form = decoded.load(as: amqp_channel_close_t.self)
            return .channelClosed(
                code: Int(form.reply_code), text: String(form.reply_text), isAnswer: form.class_id != 0)
        case AMQP_CHANNEL_CLOSE_OK_METHOD: return .channelCloseConfirmed
        case AMQP_CONNECTION_CLOSE_METHOD:
            let form = decoded.load(as: amqp_connection_close_t.self)
            return .connectionClosed(code: Int(form.reply_code), text: String(form.reply_text))
        case AMQP_CONNECTION_BLOCKED_METHOD:
            return .blocked(reason: String(decoded.load(as: amqp_connection_blocked_t.self).reason))
        case AMQP_CONNECTION_UNBLOCKED_METHOD: return .unblocked
        case AMQP_EXCHANGE_DECLARE_OK_METHOD: return .exchangeDeclared
        case AMQP_EXCHANGE_DELETE_OK_METHOD: return .exchangeDeleted
        case AMQP_QUEUE_DECLARE_OK_METHOD:
            let form = decoded.load(as: amqp_queue_declare_ok_t.self)
            return .queueDeclared(messages: Int(form.message_count), consumers: Int(form.consumer_count))
        case AMQP_QUEUE_BIND_OK_METHOD: return .queueBound
        case AMQP_QUEUE_PURGE_OK_METHOD:
            return .queuePurged(messages: Int(decoded.load(as: amqp_queue_purge_ok_t.self).message_count))
        case AMQP_QUEUE_DELETE_OK_METHOD:
            return .queueDeleted(messages: Int(decoded.load(as: amqp_queue_delete_ok_t.self).message_count))
        default: return nil
        }
    }
}
