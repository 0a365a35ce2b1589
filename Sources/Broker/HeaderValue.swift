/// A value of an AMQP field table: a message header or a declaration's argument.
///
/// Incoming integers of every width become `int64`, floats `double`, decimals `double`; a long string that is not UTF-8
/// becomes `bytes`.
public enum HeaderValue: Sendable, Equatable {
    case string(String)
    case int64(Int64)
    case bool(Bool)
    case double(Double)
    case bytes([UInt8])
    /// Seconds since 1970.
    case timestamp(Int64)
    case table([String: HeaderValue])
    case array([HeaderValue])
    case null
}

extension HeaderValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .int64(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(arrayLiteral elements: HeaderValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, HeaderValue)...) {
        self = .table(Dictionary(elements) { $1 })
    }
}

extension HeaderValue {
    /// The text, where the value is text.
    public var stringValue: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The integer, where the value is an integer or a timestamp.
    public var int64Value: Int64? {
        switch self {
        case .int64(let value), .timestamp(let value): value
        default: nil
        }
    }

    /// The members, where the value is a table.
    public var tableValue: [String: HeaderValue]? {
        if case .table(let value) = self { value } else { nil }
    }

    /// The elements, where the value is an array.
    public var arrayValue: [HeaderValue]? {
        if case .array(let value) = self { value } else { nil }
    }
}

extension HeaderValue {
    /// How deep tables and arrays may nest; deeper incoming values become ``null``, deeper outgoing ones are refused.
    ///
    /// Nothing honest nests deeper than `x-death` does (2).
    static let depthLimit = 16

    /// Bytes of the encoded value with its type octet.
    /// - Throws: ``BrokerError/invalid(_:)`` for a key above 255 bytes or nesting beyond ``depthLimit``.
    func encodedSize(depth: Int = 0) throws(BrokerError) -> Int {
        guard depth < Self.depthLimit else {
            throw .invalid("header values nest deeper than \(Self.depthLimit) levels")
        }
        switch self {
        case .string(let text): return 5 + text.utf8.count
        case .bytes(let bytes): return 5 + bytes.count
        case .int64, .double, .timestamp: return 9
        case .bool: return 2
        case .null: return 1
        case .table(let table): return try 1 + Self.encodedSize(of: table, depth: depth + 1)
        case .array(let values):
            var size = 5
            for value in values { size += try value.encodedSize(depth: depth + 1) }
            return size
        }
    }

    /// Bytes of an encoded field table with its length prefix.
    static func encodedSize(of table: [String: HeaderValue], depth: Int = 0) throws(BrokerError) -> Int {
        var size = 4
        for (key, value) in table {
            guard key.utf8.count <= 255 else { throw .invalid("header name above 255 bytes: '\(key.prefix(40))…'") }
            size += try 1 + key.utf8.count + value.encodedSize(depth: depth)
        }
        return size
    }
}
