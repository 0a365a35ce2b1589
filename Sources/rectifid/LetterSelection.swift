import ArgumentParser
import Foundation
import Jobs
import RectifIDClient

/// Which letters an action is for, and how sure its operator is.
struct SelectionOptions: ParsableArguments {
    @Argument(help: "Ids of jobs, or of letters.")
    var ids: [String] = []

    @Flag(help: "All letters; the conditions choose among them.")
    var all = false

    @OptionGroup(title: "Conditions") var conditions: FilterOptions

    @Flag(help: "Only say what would be done.")
    var dryRun = false

    @Option(
        help: ArgumentHelp(
            "Do it only if exactly this many letters match; needed without a terminal, but for given ids.",
            valueName: "count"))
    var confirm: Int?

    @Option(help: "The most letters per second: 5, 5/s, 30/min or 100/h.")
    var rate: Rate?

    func validate() throws {
        guard all || !ids.isEmpty || !conditions.isEmpty else {
            throw ValidationError("give ids of jobs, conditions such as --code, or --all")
        }
        guard !all || ids.isEmpty && conditions.job.isEmpty else {
            throw ValidationError("give either ids or --all")
        }
    }

    private var isByID: Bool { !ids.isEmpty || !conditions.job.isEmpty }

    /// Does something to the letters chosen, if that is what the operator wants.
    ///
    /// - Parameters:
    ///   - verb: What is done, as in "retry 3 letters".
    ///   - past: The same, done: "sent to work".
    func act(
        on queue: DeadLetterQueue, _ verb: String, past: String, json: Bool,
        _ action: (DeadLetterSelection, DeadLetterPlan) async throws -> DeadLetterOutcome
    ) async throws {
        let selection = try await queue.select(conditions.filter(ids))
        let found = Set(selection.entries.flatMap { [$0.jobID, $0.letterID] })
        let missing = (ids + conditions.job).filter { !found.contains($0) }
        guard missing.isEmpty else {
            throw CommandFailure(.missingInput, "no letter of \(missing.joined(separator: ", ")) in \(queue.name)")
        }
        if dryRun {
            for entry in selection.entries { ActionLine("would \(verb)", entry).print(json: json) }
            return ActionSummary(selection.count, "would \(verb)", []).print(json: json)
        }
        try checkConfirmation(of: selection.count, verb)
        var plan = DeadLetterPlan(pace: rate?.pace)
        plan.progress = { entry, _ in ActionLine(past, entry).print(json: json) }
        let outcome = try await action(selection, plan)
        for failure in outcome.failures {
            StandardError.write(
                "\(failure.entry.jobID) (\(failure.entry.letterID)) stays: \(failure.reason)".escapedForTerminal + "\n")
        }
        if outcome.missing > 0 {
            StandardError.write("\(outcome.missing) of them were gone: another operator was faster\n")
        }
        ActionSummary(outcome.done.count, past, outcome.failures).print(json: json)
        guard outcome.failures.isEmpty else {
            throw CommandFailure(.refused, "\(outcome.failures.count) of \(selection.count) letters stay; see above")
        }
    }

    private func checkConfirmation(of count: Int, _ verb: String) throws {
        if let confirm {
            guard confirm == count else {
                throw CommandFailure(.refused, "\(count) letters match, not \(confirm); nothing was done")
            }
            return
        }
        if isByID || count == 0 { return }
        guard isatty(FileHandle.standardInput.fileDescriptor) == 1, StandardError.isTerminal else {
            throw CommandFailure(
                .usage, "\(count) letters match; to \(verb) them without a terminal give --confirm \(count)")
        }
        StandardError.write("\(verb) \(count) letters? [y/N] ")
        guard ["y", "yes"].contains((readLine() ?? "").lowercased()) else {
            throw CommandFailure(.declined, "nothing was done")
        }
    }
}

/// One letter that an action dealt with.
private struct ActionLine: Encodable {
    let action, job, letter, lane: String

    init(_ action: String, _ entry: DeadLetterSelection.Entry) {
        (self.action, job, letter, lane) = (action, entry.jobID, entry.letterID, entry.lane.rawValue)
    }

    func print(json: Bool) {
        if json { return JSONOutput.printLine(self) }
        Swift.print("\(action) \(job) (\(letter), lane \(lane))".escapedForTerminal)
    }
}

/// How an action ended.
private struct ActionSummary: Encodable {
    struct Stay: Encodable { let job, letter, reason: String }

    let action: String
    let count: Int
    let stays: [Stay]

    init(_ count: Int, _ action: String, _ failures: [DeadLetterOutcome.Failure]) {
        (self.count, self.action) = (count, action)
        stays = failures.map { Stay(job: $0.entry.jobID, letter: $0.entry.letterID, reason: $0.reason) }
    }

    func print(json: Bool) {
        if json { return JSONOutput.printLine(self) }
        Swift.print("\(count) \(count == 1 ? "letter" : "letters"): \(action)")
    }
}

/// So many in a time.
struct Rate: ExpressibleByArgument {
    /// The time between two.
    let pace: Duration

    init?(argument: String) {
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
        let units: [Substring: Double] = ["s": 1, "min": 60, "h": 3600]
        guard let count = Double(parts[0]), count >= 0.001, count <= 1e6, parts.count <= 2,
            let seconds = parts.count == 1 ? 1 : units[parts[1]]
        else { return nil }
        pace = .seconds(seconds / count)
    }
}
