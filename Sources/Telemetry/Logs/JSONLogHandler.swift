import Foundation
public import Logging

/// Logs a line of JSON per record.
///
///     {"time":"2026-08-01T12:00:00.123Z","level":"info","message":"finished","logger":"rectifid.worker",
///      "job":"j-1","worker":"w-1","trace_id":"…","span_id":"…","metadata":{"similarity":"0.62"}}
///
/// Nothing that comes with a message can break a line or forge one: newlines and other control characters are escaped.
public struct JSONLogHandler: LogHandler {
    public var logLevel = Logger.Level.info
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let write: @Sendable ([UInt8]) -> Void

    /// Longest text in bytes.
    static let textLimit = 8192
    /// Metadata that stands beside the message, where queries look for it.
    static let distinguished = ["job", "worker", "trace_id", "span_id"]

    /// A handler.
    ///
    /// - Parameters:
    ///   - label: The logger's.
    ///   - write: Takes a line without its end; standard error by default.
    public init(
        label: String, write: @escaping @Sendable ([UInt8]) -> Void = { LineSink.standardError.write(line: $0) }
    ) {
        self.label = label
        self.write = write
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var all = metadataProvider?.get() ?? [:]
        all.merge(metadata) { $1 }
        if let metadata = event.metadata { all.merge(metadata) { $1 } }
        if let error = event.error, all["error"] == nil { all["error"] = "\(error)" }
        write(Self.line(event, label: label, metadata: all, time: Date()))
    }

    static func line(_ event: LogEvent, label: String, metadata: Logger.Metadata, time: Date) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("time", time.formatted(Self.timeFormat))
            json.member("level", event.level.rawValue)
            json.member("message", cut(event.message.description))
            json.member("logger", label)
            for key in distinguished {
                if let value = metadata[key] { json.member(key, cut(value.description)) }
            }
            let rest = metadata.filter { !distinguished.contains($0.key) }
            guard !rest.isEmpty else { return }
            json.key("metadata")
            write(rest, to: &json, depth: 0)
        }
        return json.bytes
    }

    private static func write(_ metadata: Logger.Metadata, to json: inout JSONWriter, depth: Int) {
        json.object { json in
            for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
                json.key(cut(key))
                write(value, to: &json, depth: depth + 1)
            }
        }
    }

    private static func write(_ value: Logger.Metadata.Value, to json: inout JSONWriter, depth: Int) {
        // Deeper nesting is written as text, so that no record exhausts the stack.
        switch value {
        case .dictionary(let members) where depth < 8: write(members, to: &json, depth: depth)
        case .array(let elements) where depth < 8:
            json.array { json in
                for element in elements { write(element, to: &json, depth: depth + 1) }
            }
        default: json.value(cut(value.description))
        }
    }

    private static func cut(_ text: String) -> String {
        text.utf8.count <= textLimit ? text : String(text.prefix(textLimit / 4)) + "…"
    }

    private static let timeFormat = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
}
