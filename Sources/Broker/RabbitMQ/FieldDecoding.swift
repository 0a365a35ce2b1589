import CRabbitMQ

extension String {
    /// The text of AMQP bytes; what is not UTF-8 is replaced, since a name that cannot be written down cannot be used.
    init(_ bytes: amqp_bytes_t) {
        self.init(decoding: UnsafeRawBufferPointer(start: bytes.bytes, count: bytes.len), as: UTF8.self)
    }
}

extension HeaderValue {
    /// Copies a decoded field; what nests deeper than ``depthLimit`` becomes ``null``.
    init(_ field: amqp_field_value_t, depth: Int) {
        let value = field.value
        switch field.kind {
        case UInt8(ascii: "t"): self = .bool(value.boolean != 0)
        case UInt8(ascii: "b"): self = .int64(Int64(value.i8))
        case UInt8(ascii: "B"): self = .int64(Int64(value.u8))
        case UInt8(ascii: "s"): self = .int64(Int64(value.i16))
        case UInt8(ascii: "u"): self = .int64(Int64(value.u16))
        case UInt8(ascii: "I"): self = .int64(Int64(value.i32))
        case UInt8(ascii: "i"): self = .int64(Int64(value.u32))
        case UInt8(ascii: "l"): self = .int64(value.i64)
        case UInt8(ascii: "L"): self = Int64(exactly: value.u64).map { .int64($0) } ?? .double(Double(value.u64))
        case UInt8(ascii: "f"): self = .double(Double(value.f32))
        case UInt8(ascii: "d"): self = .double(value.f64)
        case UInt8(ascii: "D"): self = .double(Self.decimal(value.decimal))
        case UInt8(ascii: "T"): self = .timestamp(Int64(clamping: value.u64))
        case UInt8(ascii: "S"):
            let octets = UnsafeRawBufferPointer(start: value.bytes.bytes, count: value.bytes.len)
            self = String(validating: octets, as: UTF8.self).map { .string($0) } ?? .bytes(Array(octets))
        case UInt8(ascii: "x"):
            self = .bytes(Array(UnsafeRawBufferPointer(start: value.bytes.bytes, count: value.bytes.len)))
        case UInt8(ascii: "F") where depth < Self.depthLimit:
            self = .table(Self.table(value.table, depth: depth + 1))
        case UInt8(ascii: "A") where depth < Self.depthLimit:
            let entries = UnsafeBufferPointer(start: value.array.entries, count: Int(value.array.num_entries))
            self = .array(entries.map { HeaderValue($0, depth: depth + 1) })
        default: self = .null
        }
    }

    /// Copies a decoded field table; of equal names the last wins.
    static func table(_ table: amqp_table_t, depth: Int = 0) -> [String: HeaderValue] {
        var result: [String: HeaderValue] = [:]
        for entry in UnsafeBufferPointer(start: table.entries, count: Int(table.num_entries)) {
            result[String(entry.key)] = HeaderValue(entry.value, depth: depth)
        }
        return result
    }

    private static func decimal(_ decimal: amqp_decimal_t) -> Double {
        var value = Double(decimal.value)
        for _ in 0..<decimal.decimals { value /= 10 }
        return value
    }
}

extension MessageProperties {
    /// Copies decoded basic properties.
    init(_ wire: amqp_basic_properties_t) {
        self.init()
        func text(_ flag: Int32, _ bytes: amqp_bytes_t) -> String? {
            wire._flags & UInt32(flag) != 0 ? String(bytes) : nil
        }
        contentType = text(AMQP_BASIC_CONTENT_TYPE_FLAG, wire.content_type)
        contentEncoding = text(AMQP_BASIC_CONTENT_ENCODING_FLAG, wire.content_encoding)
        type = text(AMQP_BASIC_TYPE_FLAG, wire.type)
        messageID = text(AMQP_BASIC_MESSAGE_ID_FLAG, wire.message_id)
        correlationID = text(AMQP_BASIC_CORRELATION_ID_FLAG, wire.correlation_id)
        replyTo = text(AMQP_BASIC_REPLY_TO_FLAG, wire.reply_to)
        userID = text(AMQP_BASIC_USER_ID_FLAG, wire.user_id)
        appID = text(AMQP_BASIC_APP_ID_FLAG, wire.app_id)
        // Other clients may put anything here; what is no number of milliseconds was not honoured by the broker either.
        expiration = text(AMQP_BASIC_EXPIRATION_FLAG, wire.expiration).flatMap { UInt32($0) }.map { .milliseconds($0) }
        isPersistent = wire._flags & UInt32(AMQP_BASIC_DELIVERY_MODE_FLAG) != 0 && wire.delivery_mode == 2
        if wire._flags & UInt32(AMQP_BASIC_TIMESTAMP_FLAG) != 0 { timestamp = Int64(clamping: wire.timestamp) }
        if wire._flags & UInt32(AMQP_BASIC_PRIORITY_FLAG) != 0 { priority = wire.priority }
        if wire._flags & UInt32(AMQP_BASIC_HEADERS_FLAG) != 0 { headers = HeaderValue.table(wire.headers) }
    }

    /// The C form, valid as long as the arena.
    func wireForm(in arena: FieldArena) -> amqp_basic_properties_t {
        var wire = amqp_basic_properties_t()
        func set(_ text: String?, _ flag: Int32, _ field: inout amqp_bytes_t) {
            guard let text else { return }
            field = arena.bytes(text)
            wire._flags |= UInt32(flag)
        }
        var field = amqp_bytes_t()
        set(contentType, AMQP_BASIC_CONTENT_TYPE_FLAG, &field)
        wire.content_type = field
        set(contentEncoding, AMQP_BASIC_CONTENT_ENCODING_FLAG, &field)
        wire.content_encoding = field
        set(type, AMQP_BASIC_TYPE_FLAG, &field)
        wire.type = field
        set(messageID, AMQP_BASIC_MESSAGE_ID_FLAG, &field)
        wire.message_id = field
        set(correlationID, AMQP_BASIC_CORRELATION_ID_FLAG, &field)
        wire.correlation_id = field
        set(replyTo, AMQP_BASIC_REPLY_TO_FLAG, &field)
        wire.reply_to = field
        set(userID, AMQP_BASIC_USER_ID_FLAG, &field)
        wire.user_id = field
        set(appID, AMQP_BASIC_APP_ID_FLAG, &field)
        wire.app_id = field
        // The sizes were checked when the message was accepted; an invalid expiration cannot come this far.
        set(try? expirationText(), AMQP_BASIC_EXPIRATION_FLAG, &field)
        wire.expiration = field
        wire.delivery_mode = isPersistent ? 2 : 1
        wire._flags |= UInt32(AMQP_BASIC_DELIVERY_MODE_FLAG)
        if let timestamp {
            wire.timestamp = UInt64(clamping: timestamp)
            wire._flags |= UInt32(AMQP_BASIC_TIMESTAMP_FLAG)
        }
        if let priority {
            wire.priority = priority
            wire._flags |= UInt32(AMQP_BASIC_PRIORITY_FLAG)
        }
        if !headers.isEmpty {
            wire.headers = arena.table(headers)
            wire._flags |= UInt32(AMQP_BASIC_HEADERS_FLAG)
        }
        return wire
    }
}
