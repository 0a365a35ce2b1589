import Foundation

/// Nanoseconds since 1970 UTC, which traces count in.
public typealias UnixNanoseconds = Int64

/// Something that took time, as a part of a trace.
public struct Span: Sendable, Equatable {
    public enum Kind: Int, Sendable {
        case `internal` = 1
        case client = 3
        case producer = 4
        case consumer = 5
    }

    public var context: SpanContext
    /// Zero: none.
    public var parentID: UInt64
    public var name: String
    public var kind: Kind
    public var start: UnixNanoseconds
    public var end: UnixNanoseconds
    public var attributes: [SpanAttribute]
    public var events: [SpanEvent] = []
    /// Events that were too many to be kept.
    public var droppedEvents = 0
    /// Nil where all went well; otherwise why not.
    public var error: String?

    public init(
        _ name: String, kind: Kind = .internal, context: SpanContext, parentID: UInt64, start: UnixNanoseconds,
        end: UnixNanoseconds, attributes: [SpanAttribute] = []
    ) {
        self.name = name
        self.kind = kind
        self.context = context
        self.parentID = parentID
        self.start = start
        self.end = end
        self.attributes = attributes
    }
}

/// A point of time within a span.
public struct SpanEvent: Sendable, Equatable {
    public var name: String
    public var time: UnixNanoseconds
    public var attributes: [SpanAttribute]

    public init(_ name: String, time: UnixNanoseconds, attributes: [SpanAttribute]) {
        self.name = name
        self.time = time
        self.attributes = attributes
    }
}

/// A named value of a span, an event or a resource.
public struct SpanAttribute: Sendable, Equatable {
    public enum Value: Sendable, Equatable {
        case string(String)
        case int(Int)
        case double(Double)
        case bool(Bool)
    }

    public var key: String
    public var value: Value

    public init(_ key: String, _ text: String) {
        self.key = key
        value = .string(text)
    }

    public init(_ key: String, _ number: Int) {
        self.key = key
        value = .int(number)
    }

    public init(_ key: String, _ number: Double) {
        self.key = key
        value = .double(number)
    }

    public init(_ key: String, _ flag: Bool) {
        self.key = key
        value = .bool(flag)
    }
}

/// Tells the time of spans: the wall clock as it was once, and from there the monotonic clock, so that no span is
/// negative when the wall clock is set.
public struct SpanClock: Sendable {
    private let wall: UnixNanoseconds
    private let start: ContinuousClock.Instant

    public init() {
        start = .now
        wall = UnixNanoseconds(Date().timeIntervalSince1970 * 1e9)
    }

    public var now: UnixNanoseconds {
        let (seconds, attoseconds) = start.duration(to: .now).components
        return wall + seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
