/// A line of OTLP's JSON form, the parts that matter to tests.
///
/// Written from the protobuf definitions, without regard to the code that writes it.
public struct WrittenRequest: Decodable {
    public struct ResourceSpans: Decodable {
        public var resource: Resource
        public var scopeSpans: [ScopeSpans]
    }
    public struct Resource: Decodable { public var attributes: [WrittenAttribute] }
    public struct ScopeSpans: Decodable { public var spans: [WrittenSpan] }

    public var resourceSpans: [ResourceSpans]

    public var spans: [WrittenSpan] { resourceSpans.flatMap(\.scopeSpans).flatMap(\.spans) }
}

public struct WrittenSpan: Decodable {
    public struct Event: Decodable {
        public var timeUnixNano: String
        public var name: String
    }
    public struct Status: Decodable {
        public var code: Int?
        public var message: String?
    }

    public var traceId: String
    public var spanId: String
    public var parentSpanId: String?
    public var name: String
    public var kind: Int
    public var startTimeUnixNano: String
    public var endTimeUnixNano: String
    public var attributes: [WrittenAttribute]?
    public var events: [Event]?
    public var status: Status

    /// An attribute as text.
    public subscript(_ key: String) -> String? {
        (attributes ?? []).first { $0.key == key }.flatMap { attribute in
            attribute.value.stringValue ?? attribute.value.intValue ?? attribute.value.boolValue.map { "\($0)" }
                ?? attribute.value.doubleValue.map { "\($0)" }
        }
    }
}

public struct WrittenAttribute: Decodable {
    public struct Value: Decodable {
        public var stringValue: String?
        public var intValue: String?
        public var doubleValue: NumberOrText?
        public var boolValue: Bool?
    }
    public enum NumberOrText: Decodable, Equatable, CustomStringConvertible {
        case number(Double)
        case text(String)

        public init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Double.self) {
                self = .number(number)
            } else {
                self = .text(try container.decode(String.self))
            }
        }

        public var description: String {
            switch self {
            case .number(let number): "\(number)"
            case .text(let text): text
            }
        }
    }

    public var key: String
    public var value: Value
}
