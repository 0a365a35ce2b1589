import ArgumentParser
import Broker
import Foundation
import Jobs
import Messages
import Raster
import RectifIDClient

/// `rectifid dead-letters`: jobs that were given up.
struct DeadLetters: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters", abstract: "Shows the jobs that were given up, and sends them back to work.",
        subcommands: [DeadLettersList.self, DeadLettersShow.self, DeadLettersRetry.self])
}

/// `rectifid dead-letters list`.
struct DeadLettersList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists dead letters by their code; changes nothing.",
        discussion: "While it reads, nobody else sees the letters.")

    @OptionGroup var broker: BrokerOptions

    @Option(help: "Only letters of this code, such as INTERNAL.")
    var code: String?

    @Flag(help: "Print one line of JSON per letter.")
    var json = false

    func run() async throws {
        try await broker.withBroker("rectifid dead-letters") { connection, pool in
            let queue = DeadLetterQueue(broker: connection, pool: pool)
            let letters = try await queue.letters(code.map { .code($0) } ?? .all)
            if json {
                for letter in letters { JSONLine.print(LetterDocument(letter)) }
            } else if letters.isEmpty {
                print("no dead letters" + (code.map { " of code \($0.uppercased())" } ?? ""))
            } else {
                printGroups(DeadLetterGroup.groups(of: letters))
            }
        }
    }

    private func printGroups(_ groups: [DeadLetterGroup]) {
        for group in groups { print("\(pad("\(group.letters.count)", -6))  \(group.code)") }
        let width = min(40, groups.flatMap(\.letters).map(\.jobID.count).max() ?? 0)
        for group in groups {
            print("\n\(group.code)")
            for letter in group.letters {
                let header = letter.header
                print(
                    "  \(pad(letter.jobID, width))  \(header.attempts == 1 ? "1 attempt " : "\(header.attempts) attempts")"
                        + "  \(LetterDocument.time(header.lastTime) ?? "-")  \(pad(ByteCount(letter.size).description, -8))"
                        + "  \(header.reason.prefix(120))")
            }
        }
    }

    /// Fills up with spaces to a width: on the right, or on the left where the width is negative.
    private func pad(_ text: String, _ width: Int) -> String {
        let spaces = String(repeating: " ", count: max(abs(width) - text.count, 0))
        return width < 0 ? spaces + text : text + spaces
    }
}

/// `rectifid dead-letters show`.
struct DeadLettersShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows one dead letter: why it failed and what it asked for; changes nothing.")

    @Argument(help: "The job's id.")
    var jobID: String

    @OptionGroup var broker: BrokerOptions

    @Option(help: "Folder to write the reference pictures to.")
    var pictures: String?

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        try await broker.withBroker("rectifid dead-letters") { connection, pool in
            guard let (letter, body) = try await DeadLetterQueue(broker: connection, pool: pool).letter(ofJob: jobID)
            else { throw CommandFailure(.missingInput, "no dead letter of job '\(jobID)'") }
            var document = LetterDocument(letter)
            document.headers = letter.properties.headers.mapValues { PlainValue($0) }
            do throws(MessageError) {
                let request = try PersonalizeRequest.decode(body, limits: MessageLimits(maximumBytes: 64 << 20))
                document.request = RequestDocument(request)
                if let pictures { write(request.references, to: pictures) }
            } catch {
                document.requestError = "\(error)"
            }
            document.print(asLine: json)
        }
    }

    private func write(_ references: [Messages.Reference], to folder: String) {
        for (index, reference) in references.enumerated() {
            guard case .image(let bytes) = reference.picture else { continue }
            let format = PictureFormat.sniff(bytes)
            // What is no picture may be the very reason why the job is here.
            let name =
                "\(jobID.replacing("/", with: "_"))-\(index).\(format == .png ? "png" : format == .jpeg ? "jpg" : "bin")"
            let file = URL(fileURLWithPath: folder).appendingPathComponent(name)
            do {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                try Data(bytes).write(to: file)
                StandardError.write("\(file.path)\n")
            } catch {
                StandardError.write("\(file.path): cannot be written: \(error.localizedDescription)\n")
            }
        }
    }
}

/// `rectifid dead-letters retry`.
struct DeadLettersRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Sends dead letters back to work, with attempts and deadline reset.",
        discussion: "Each is published and confirmed before it is taken from the dead letters, so none is ever lost.")

    @Argument(help: "Ids of jobs.")
    var jobIDs: [String] = []

    @OptionGroup var broker: BrokerOptions

    @Flag(help: "All letters, or with --code all of that code.")
    var all = false

    @Option(help: "With --all: only letters of this code.")
    var code: String?

    @Option(help: "A queue for the answers instead of the clients' own.")
    var replyTo: String?

    @Flag(help: "Only say what would be sent.")
    var dryRun = false

    func validate() throws {
        guard all != !jobIDs.isEmpty else { throw ValidationError("give ids of jobs, or --all") }
        guard code == nil || all else { throw ValidationError("--code belongs to --all") }
    }

    func run() async throws {
        let filter: DeadLetterFilter = all ? code.map { .code($0) } ?? .all : .jobs(Set(jobIDs))
        try await broker.withBroker("rectifid dead-letters") { connection, pool in
            let queue = DeadLetterQueue(broker: connection, pool: pool)
            let letters: [DeadLetter]
            if dryRun {
                letters = try await queue.letters(filter)
                for letter in letters { print("would send \(letter.jobID) to lane \(letter.lane.rawValue)") }
            } else {
                letters = try await queue.retry(filter, replyTo: replyTo) { letter, count in
                    if StandardError.isTerminal {
                        StandardError.write("\r\(count) sent")
                    } else {
                        print("sent \(letter.jobID) to lane \(letter.lane.rawValue)")
                    }
                }
                if StandardError.isTerminal { StandardError.write("\n") }
            }
            let missing = Set(jobIDs).subtracting(letters.map(\.jobID)).sorted()
            guard missing.isEmpty else {
                throw CommandFailure(.missingInput, "no dead letter of \(missing.joined(separator: ", "))")
            }
            print("\(letters.count) \(letters.count == 1 ? "letter" : "letters")\(dryRun ? "" : " sent")")
        }
    }
}
