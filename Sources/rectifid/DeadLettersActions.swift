import ArgumentParser
import Foundation
import Jobs
import RectifIDClient

/// `rectifid dead-letters retry`.
struct DeadLettersRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Sends dead letters back to work, with attempts and deadline reset.",
        discussion: """
            Each is published and confirmed before it is taken from the dead letters, so none is lost wherever this stops.
            The failure stays with the job: if it becomes a dead letter again, 'show' has both.
            """)

    @OptionGroup var selection: SelectionOptions
    @OptionGroup var options: LetterOptions

    @Option(help: "A queue for the answers instead of the clients' own.")
    var replyTo: String?

    @Flag(help: "Print lines of JSON.")
    var json = false

    func run() async throws {
        try await options.withLetters { queue in
            try await selection.act(on: queue, "retry", past: "sent", json: json) { chosen, plan in
                var plan = plan
                plan.replyTo = replyTo
                return try await queue.retry(chosen, plan)
            }
        }
    }
}

/// `rectifid dead-letters discard`.
struct DeadLettersDiscard: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "discard", abstract: "Moves dead letters to the bin, which keeps them for 7 days.",
        discussion: "'restore' brings them back; 'list --bin' and 'show --bin' look into it.")

    @OptionGroup var selection: SelectionOptions
    @OptionGroup var options: LetterOptions

    @Flag(help: "Print lines of JSON.")
    var json = false

    func run() async throws {
        try await options.withLetters { queue in
            try await selection.act(on: queue, "discard", past: "discarded", json: json) { chosen, plan in
                try await queue.discard(chosen, plan)
            }
        }
    }
}

/// `rectifid dead-letters restore`.
struct DeadLettersRestore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Moves letters from the bin back to the dead letters.")

    @OptionGroup var selection: SelectionOptions
    @OptionGroup var options: LetterOptions

    @Flag(help: "Print lines of JSON.")
    var json = false

    func run() async throws {
        try await options.withLetters(.bin) { queue in
            try await selection.act(on: queue, "restore", past: "restored", json: json) { chosen, plan in
                try await queue.restore(chosen, plan)
            }
        }
    }
}

/// `rectifid dead-letters audit`.
struct DeadLettersAudit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Shows what operators did to dead letters, oldest first; changes nothing.",
        discussion: "Kept for 45 days and 10,000 records at most. What was begun and has no end was cut off.")

    @OptionGroup var options: LetterOptions

    @Flag(help: "Print lines of JSON, with the ids of all jobs.")
    var json = false

    func run() async throws {
        try await options.withLetters { queue in
            let spool = try Spool()
            let strangers = try await DeadLetterAudit(queue).forEach { record in
                spool.write(json ? JSONOutput.line(record) ?? Data() : Data((Self.line(record) + "\n").utf8))
            }
            try spool.copyToStandardOutput()
            if strangers > 0 { StandardError.write("\(strangers) messages in the audit are no records\n") }
        }
    }

    private static func line(_ record: DeadLetterAuditRecord) -> String {
        var cells = [record.time, record.id, record.operatorName, record.action, record.phase.rawValue]
        switch record.phase {
        case .begun:
            let part = record.parts.map { $0 > 1 ? " (part \(record.part ?? 0) of \($0))" : "" } ?? ""
            let jobs = record.jobs ?? []
            let more = jobs.count > 5 ? ", …" : ""
            cells.append("\(record.count) letters\(part), \(record.selection)")
            cells.append("jobs \(jobs.prefix(5).joined(separator: ", "))\(more)")
        case .ended:
            cells.append("\(record.done ?? 0) of \(record.count) done")
            if let failed = record.failed, failed > 0 { cells.append("\(failed) stay") }
            if let missing = record.missing, missing > 0 { cells.append("\(missing) were gone") }
            if let error = record.error { cells.append("cut off: \(error)") }
        }
        return cells.map(\.escapedForTerminal).joined(separator: "  ")
    }
}
