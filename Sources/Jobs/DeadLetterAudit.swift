public import Broker
import Foundation
import Logging
import RectifIDClient

/// One record of what an operator did to dead letters; as JSON in the queue ``Pool/auditQueue``.
///
/// An action has a record before its first letter moves, with all ids (several where there are many), and one after its
/// last. One that was begun and has no end was cut off.
public struct DeadLetterAuditRecord: Sendable, Equatable, Codable {
    public enum Phase: String, Sendable, Codable { case begun, ended }

    /// The same in all records of one action.
    public var id: String
    /// ISO 8601, UTC.
    public var time: String
    /// Who: `user@host`, or as given.
    public var operatorName: String
    /// `retry`, `edit`, `discard` or `restore`.
    public var action: String
    public var phase: Phase
    /// The conditions that chose the letters.
    public var selection: String
    /// Letters chosen.
    public var count: Int
    /// Begun: the jobs' ids of this part of the letters.
    public var jobs: [String]?
    /// Begun: which part of how many this is, from 1.
    public var part: Int?
    public var parts: Int?
    /// Ended: letters moved, and letters that stayed for reasons of their own.
    public var done: Int?
    public var failed: Int?
    /// Ended: letters that were gone when their turn came.
    public var missing: Int?
    /// Ended: what cut the action short.
    public var error: String?

    private enum CodingKeys: String, CodingKey {
        case id, time, action, phase, selection, count, jobs, part, parts, done, failed, missing, error
        case operatorName = "operator"
    }
}

/// Writes and reads the audit.
public struct DeadLetterAudit: Sendable {
    private let queue: DeadLetterQueue

    /// 1,000 ids of 128 bytes are a message of moderate size.
    private static let jobsPerRecord = 1000

    public init(_ queue: DeadLetterQueue) { self.queue = queue }

    /// Writes that an action begins; without that, nothing is done.
    func begin(
        _ action: String, _ selection: DeadLetterSelection
    ) async throws(BrokerError) -> DeadLetterAuditRecord {
        var record = DeadLetterAuditRecord(
            id: String(UInt64.random(in: .min ... .max), radix: 16).leftPadded(to: 16), time: now,
            operatorName: queue.operatorName, action: action, phase: .begun, selection: selection.filter.description,
            count: selection.count)
        let parts = (selection.count + Self.jobsPerRecord - 1) / Self.jobsPerRecord
        for part in 0..<parts {
            let jobs = selection.entries.dropFirst(part * Self.jobsPerRecord).prefix(Self.jobsPerRecord)
            (record.jobs, record.part, record.parts) = (jobs.map(\.jobID), part + 1, parts)
            do throws(BrokerError) {
                try await publish(record)
            } catch .unroutable {
                throw .notFound(
                    "there is no queue \(queue.pool.auditQueue) for the audit; make it with 'rectifid topology --declare'"
                )
            }
        }
        (record.jobs, record.part, record.parts) = (nil, nil, nil)
        log(record)
        return record
    }

    /// Writes how an action ended.
    func end(_ begun: DeadLetterAuditRecord, _ outcome: DeadLetterOutcome, error: BrokerError?) async {
        var record = begun
        (record.phase, record.time) = (.ended, now)
        (record.done, record.failed, record.missing) = (outcome.done.count, outcome.failures.count, outcome.missing)
        record.error = error.map { "\($0)" }
        log(record)
        let complete = record
        // Also of an action whose task was cancelled.
        await Task {
            do throws(BrokerError) {
                try await publish(complete)
            } catch {
                queue.logger.error("the end is missing in the audit", metadata: ["error": "\(error)"])
            }
        }.value
    }

    /// Shows all records, oldest first; changes nothing.
    ///
    /// - Returns: How many messages in the queue are no records.
    @discardableResult
    public func forEach(_ visit: (DeadLetterAuditRecord) async -> Void) async throws(BrokerError) -> Int {
        var strangers = 0
        try await queue.round(of: queue.pool.auditQueue) { (delivery) throws(BrokerError) in
            if let record = try? JSONDecoder().decode(DeadLetterAuditRecord.self, from: Data(delivery.body)) {
                await visit(record)
            } else {
                strangers += 1
            }
            return .keep
        }
        return strangers
    }

    private var now: String {
        Date(timeIntervalSince1970: Double(queue.wallTime.read()) / 1000).ISO8601Format()
    }

    private func publish(_ record: DeadLetterAuditRecord) async throws(BrokerError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let body = try? encoder.encode(record) else { throw .invalid("the audit's record is no JSON") }
        try await queue.broker.publish(
            OutgoingMessage(
                MessageProperties(
                    contentType: "application/json", type: "rectifid.dead-letters.audit", messageID: record.id,
                    timestamp: queue.wallTime.read() / 1000), body: [UInt8](body)),
            exchange: "", routingKey: queue.pool.auditQueue)
    }

    private func log(_ record: DeadLetterAuditRecord) {
        var metadata: Logger.Metadata = [
            "audit": "\(record.id)", "operator": "\(record.operatorName)", "action": "\(record.action)",
            "selection": "\(record.selection)", "count": "\(record.count)",
        ]
        if let done = record.done { metadata["done"] = "\(done)" }
        if let failed = record.failed { metadata["failed"] = "\(failed)" }
        if let error = record.error { metadata["error"] = "\(error)" }
        queue.logger.notice("dead letters: \(record.action) \(record.phase.rawValue)", metadata: metadata)
    }
}
