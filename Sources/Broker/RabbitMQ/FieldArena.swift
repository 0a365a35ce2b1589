import CRabbitMQ

/// Owns the C memory of one outgoing method or header: strings and field tables that librabbitmq reads while it encodes.
final class FieldArena {
    private var allocations: [UnsafeMutableRawPointer] = []

    deinit {
        for allocation in allocations { allocation.deallocate() }
    }

    /// A copy of a string's UTF-8 bytes.
    func bytes(_ text: String) -> amqp_bytes_t { copy(Array(text.utf8)) }

    func copy(_ source: [UInt8]) -> amqp_bytes_t {
        guard !source.isEmpty else { return amqp_bytes_t(len: 0, bytes: nil) }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: source.count, alignment: 1)
        allocations.append(memory)
        source.withUnsafeBytes {
            memory.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: $0.count)
        }
        return amqp_bytes_t(len: source.count, bytes: memory)
    }

    /// A field table; nesting was bounded by ``HeaderValue/encodedSize(of:depth:)``.
    func table(_ table: [String: HeaderValue]) -> amqp_table_t {
        guard !table.isEmpty else { return amqp_table_t(num_entries: 0, entries: nil) }
        let entries = UnsafeMutablePointer<amqp_table_entry_t>.allocate(capacity: table.count)
        allocations.append(UnsafeMutableRawPointer(entries))
        for (index, (key, value)) in table.enumerated() {
            (entries + index).initialize(to: amqp_table_entry_t(key: bytes(key), value: field(value)))
        }
        return amqp_table_t(num_entries: Int32(clamping: table.count), entries: entries)
    }

    private func field(_ value: HeaderValue) -> amqp_field_value_t {
        var field = amqp_field_value_t()
        switch value {
        case .string(let text):
            field.kind = UInt8(ascii: "S")
            field.value.bytes = bytes(text)
        case .bytes(let octets):
            field.kind = UInt8(ascii: "x")
            field.value.bytes = copy(octets)
        case .int64(let number):
            field.kind = UInt8(ascii: "l")
            field.value.i64 = number
        case .double(let number):
            field.kind = UInt8(ascii: "d")
            field.value.f64 = number
        case .bool(let flag):
            field.kind = UInt8(ascii: "t")
            field.value.boolean = flag ? 1 : 0
        case .timestamp(let seconds):
            field.kind = UInt8(ascii: "T")
            field.value.u64 = UInt64(bitPattern: seconds)
        case .null:
            field.kind = UInt8(ascii: "V")
        case .table(let members):
            field.kind = UInt8(ascii: "F")
            field.value.table = table(members)
        case .array(let values):
            field.kind = UInt8(ascii: "A")
            field.value.array = array(values)
        }
        return field
    }

    private func array(_ values: [HeaderValue]) -> amqp_array_t {
        guard !values.isEmpty else { return amqp_array_t(num_entries: 0, entries: nil) }
        let entries = UnsafeMutablePointer<amqp_field_value_t>.allocate(capacity: values.count)
        allocations.append(UnsafeMutableRawPointer(entries))
        for (index, value) in values.enumerated() { (entries + index).initialize(to: field(value)) }
        return amqp_array_t(num_entries: Int32(clamping: values.count), entries: entries)
    }
}
