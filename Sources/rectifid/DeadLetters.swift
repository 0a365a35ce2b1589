import ArgumentParser
import Foundation
import Jobs
import RectifIDClient

/// `rectifid dead-letters`: jobs that were given up.
struct DeadLetters: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters",
        abstract: "Shows the jobs that were given up, sends them back to work, discards them.",
        discussion: """
            list, show, export and audit change nothing. retry, edit, discard and restore move letters: each is published
            where it goes and confirmed before it is removed, and the audit says who did it.

            Exit codes: 0 done, 1 declined at the question, 64 bad usage or no --confirm where one is needed, 65 another
            number of letters matches or some letters stay, 66 no such letter, 69 no broker or no such queue, 73 the
            output cannot be written, 75 another operator has the letters, or a queue is full.
            """,
        subcommands: [
            DeadLettersList.self, DeadLettersShow.self, DeadLettersRetry.self, DeadLettersEdit.self,
            DeadLettersDiscard.self, DeadLettersRestore.self, DeadLettersExport.self, DeadLettersAudit.self,
        ])
}

/// `rectifid dead-letters list`.
struct DeadLettersList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Counts dead letters by kind of failure, or lists them; changes nothing.",
        discussion: "A group is a code, a model and a reason without its numbers, names and ids.")

    @OptionGroup var options: LetterOptions

    @OptionGroup(title: "Conditions") var conditions: FilterOptions

    @Flag(name: [.long, .customLong("all")], help: "One line for each letter instead of each group.")
    var each = false

    @Flag(help: "Of the bin instead of the dead letters.")
    var bin = false

    @Flag(help: "Print lines of JSON.")
    var json = false

    func run() async throws {
        try await options.withLetters(bin ? .bin : .letters) { queue in
            if each { try await listLetters(queue) } else { try await listGroups(queue) }
        }
    }

    private func listGroups(_ queue: DeadLetterQueue) async throws {
        let groups = try await queue.groups(conditions.filter())
        if json {
            for group in groups { JSONOutput.printLine(GroupDocument(group)) }
            return
        }
        guard !groups.isEmpty else { return print(nothing) }
        print(
            "  COUNT  GROUP       CODE                 MODEL            FIRST SEEN            LAST SEEN             REASON"
        )
        for group in groups {
            let cells = [
                "\(group.count)".padded(to: -7), group.id, group.code.cut(to: 19).padded(to: 19),
                (group.model ?? "(unreadable)").cut(to: 15).padded(to: 15),
                (LetterDocument.time(group.firstTime) ?? "-").padded(to: 20),
                (LetterDocument.time(group.lastTime) ?? "-").padded(to: 20), group.pattern,
            ]
            print(cells.map(\.escapedForTerminal).joined(separator: "  "))
        }
        let (count, size) = groups.reduce((0, 0)) { ($0.0 + $1.count, $0.1 + $1.size) }
        print("\(count) letters in \(groups.count) groups, \(ByteCount(size))")
    }

    private var nothing: String {
        "no \(bin ? "discarded" : "dead") letters" + (conditions.isEmpty ? "" : " that match")
    }

    private func listLetters(_ queue: DeadLetterQueue) async throws {
        let spool = try Spool()
        var count = 0
        try await queue.forEach(conditions.filter()) { letter, body in
            count += 1
            let document = LetterDocument(letter, body)
            spool.write(json ? JSONOutput.line(document) ?? Data() : Data((line(document) + "\n").utf8))
        }
        try spool.copyToStandardOutput()
        if !json { print(count == 0 ? nothing : "\(count) letters") }
    }

    private func line(_ letter: LetterDocument) -> String {
        let cells = [
            letter.lastTime ?? "-", letter.letter, letter.job.cut(to: 36).padded(to: 32),
            letter.code.cut(to: 19).padded(to: 19), (letter.model ?? "(unreadable)").cut(to: 15).padded(to: 15),
            letter.attempts == 1 ? "1 attempt " : "\(letter.attempts) attempts",
            ByteCount(letter.bytes).description.padded(to: -8), letter.reason.cut(to: 120),
        ]
        return cells.map(\.escapedForTerminal).joined(separator: "  ")
    }
}

/// A group as a line of JSON; names are stable.
private struct GroupDocument: Encodable {
    let group, code, pattern, exampleJob, exampleReason: String
    let model, firstTime, lastTime: String?
    let count, bytes: Int

    init(_ group: DeadLetterGroup) {
        (self.group, code, model, pattern) = (group.id, group.code, group.model, group.pattern)
        (count, bytes) = (group.count, group.size)
        (exampleJob, exampleReason) = (group.exampleJob, group.exampleReason)
        firstTime = LetterDocument.time(group.firstTime)
        lastTime = LetterDocument.time(group.lastTime)
    }
}
