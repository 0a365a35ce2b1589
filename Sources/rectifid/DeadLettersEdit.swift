import ArgumentParser
import Jobs
import Messages
import RectifIDClient

/// `rectifid dead-letters edit`.
struct DeadLettersEdit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "edit", abstract: "Sends one dead letter back to work with other values in its request.",
        discussion: """
            Fields are named as in the .proto file: prompt, seed, model_id, steps, output.format, references[0].label and so
            on. An empty value takes a field back to its default. The result must be a request that a worker would take.
            The job keeps its id, so its client gets the answer; the letter is removed once the new request is confirmed.
            Fields that a newer client wrote and this version does not know are lost.
            """)

    @Argument(help: "The job's id, or a letter's.")
    var id: String

    @Option(name: .long, parsing: .singleValue, help: ArgumentHelp("A new value; repeat it.", valueName: "field=value"))
    var set: [String]

    @OptionGroup var options: LetterOptions

    @Option(help: "A queue for the answer instead of the client's own.")
    var replyTo: String?

    @Flag(help: "Only show what would change.")
    var dryRun = false

    func run() async throws {
        let edit: DeadLetterEdit
        do throws(MessageError) {
            edit = try DeadLetterEdit(set)
        } catch {
            StandardError.write("Error: \(error)\n".escapedForTerminal + "\n")
            throw ExitCode.validationFailure
        }
        try await options.withLetters { queue in
            let selection = try await queue.select(.jobs([id]))
            guard selection.count == 1 else {
                guard selection.count > 1 else { throw CommandFailure(.missingInput, "no dead letter of '\(id)'") }
                let letters = selection.entries.map(\.letterID).joined(separator: ", ")
                throw CommandFailure(.refused, "job '\(id)' has \(selection.count) letters; give one of \(letters)")
            }
            guard let (_, body) = try await queue.letter(ofJob: selection.entries[0].letterID) else {
                throw CommandFailure(.missingInput, "the letter is gone; another operator was faster")
            }
            try show(edit, of: body)
            if dryRun { return print("nothing was sent") }
            let outcome = try await queue.edit(selection, edit, DeadLetterPlan(replyTo: replyTo))
            if let failure = outcome.failures.first { throw CommandFailure(.refused, failure.reason) }
            guard let entry = outcome.done.first else {
                throw CommandFailure(.missingInput, "the letter is gone; another operator was faster")
            }
            print("sent \(entry.jobID) (\(entry.letterID), lane \(entry.lane.rawValue))".escapedForTerminal)
        }
    }

    private func show(_ edit: DeadLetterEdit, of body: DeadLetterBody) throws {
        do throws(MessageError) {
            let changes = try edit.apply(to: body.request.get()).changes
            if changes.isEmpty { print("nothing changes") }
            for change in changes {
                print("- \(change.field): \(change.before)".escapedForTerminal)
                print("+ \(change.field): \(change.after)".escapedForTerminal)
            }
        } catch {
            throw CommandFailure(.refused, "\(error)")
        }
    }
}
