import Broker
import Messages
public import RectifIDClient

/// The failures of a job before an operator sent it back to work; it stays with the job wherever that goes.
public struct DeadLetterHistory: Sendable, Equatable {
    /// How often an operator sent the job back to work.
    public var retryCount: Int
    /// The newest first, ``limit`` at most.
    public var failures: [Failure]

    public struct Failure: Sendable, Equatable {
        public var code: String
        public var reason: String
        public var attempts: Int
        public var firstTime: UnixMilliseconds?
        public var lastTime: UnixMilliseconds?
        public var worker: String?
        /// The id of the letter that it was.
        public var letterID: String
        /// What ended it: `retry` or `edit`, by whom and when.
        public var action: String
        public var operatorName: String
        public var time: UnixMilliseconds
        /// Names of the fields that an edit changed.
        public var editedFields: [String]
    }

    /// All headers share one frame of 128 KiB, so only the newest failures are kept, with their reasons cut.
    public static let limit = 8
    private static let maximumReasonBytes = 500

    init(_ headers: [String: HeaderValue]) {
        retryCount = Int(clamping: max(0, headers[Wire.Header.retryCount]?.int64Value ?? 0))
        failures = (headers[Wire.Header.earlierFailures]?.arrayValue ?? []).prefix(Self.limit).compactMap {
            $0.tableValue.map { Failure($0) }
        }
    }

    /// Adds the failure that made `letter` one.
    mutating func add(
        _ letter: DeadLetter, action: String, operatorName: String, time: UnixMilliseconds, editedFields: [String]
    ) {
        let (count, overflow) = retryCount.addingReportingOverflow(1)
        retryCount = overflow ? retryCount : count
        let header = letter.header
        let failure = Failure(
            code: header.code, reason: header.reason.cut(toBytes: Self.maximumReasonBytes), attempts: header.attempts,
            firstTime: header.firstTime, lastTime: header.lastTime, worker: header.worker, letterID: letter.id,
            action: action, operatorName: operatorName, time: time, editedFields: editedFields)
        failures = [failure] + failures.prefix(Self.limit - 1)
    }

    func write(to headers: inout [String: HeaderValue]) {
        headers[Wire.Header.retryCount] = .int64(Int64(retryCount))
        headers[Wire.Header.earlierFailures] = .array(failures.map { .table($0.table) })
    }
}

extension DeadLetterHistory.Failure {
    fileprivate init(_ table: [String: HeaderValue]) {
        self.init(
            code: table["code"]?.stringValue ?? "UNKNOWN", reason: table["reason"]?.stringValue ?? "",
            attempts: Int(clamping: table["attempts"]?.int64Value ?? 0), firstTime: table["first-time"]?.int64Value,
            lastTime: table["last-time"]?.int64Value, worker: table["worker"]?.stringValue,
            letterID: table["letter"]?.stringValue ?? "", action: table["action"]?.stringValue ?? "",
            operatorName: table["operator"]?.stringValue ?? "", time: table["time"]?.int64Value ?? 0,
            editedFields: (table["edited-fields"]?.arrayValue ?? []).compactMap(\.stringValue))
    }

    fileprivate var table: [String: HeaderValue] {
        var table: [String: HeaderValue] = [
            "code": .string(code), "reason": .string(reason), "attempts": .int64(Int64(attempts)),
            "letter": .string(letterID), "action": .string(action), "operator": .string(operatorName),
            "time": .int64(time),
        ]
        table["first-time"] = firstTime.map { .int64($0) }
        table["last-time"] = lastTime.map { .int64($0) }
        table["worker"] = worker.map { .string($0) }
        if !editedFields.isEmpty { table["edited-fields"] = .array(editedFields.map { .string($0) }) }
        return table
    }
}
