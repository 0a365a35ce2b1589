import ArgumentParser
import Foundation
import Jobs

/// `rectifid dead-letters export`.
struct DeadLettersExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes dead letters to a file, one JSON object per line; changes nothing.",
        discussion: """
            The fields are those of 'show --json'. The file appears when it is complete, and only its owner can read it.
            """)

    @Argument(help: "File to write; - for standard output.")
    var file: String

    @OptionGroup var options: LetterOptions

    @OptionGroup(title: "Conditions") var conditions: FilterOptions

    @Flag(help: "With pictures, and bodies that cannot be read, in base64.")
    var pictures = false

    @Flag(help: "Of the bin instead of the dead letters.")
    var bin = false

    func run() async throws {
        try await options.withLetters(bin ? .bin : .letters) { queue in
            let isStandardOutput = file == "-"
            let output = isStandardOutput ? nil : try PartialFile(file)
            let spool = isStandardOutput ? try Spool() : nil
            var count = 0
            try await queue.forEach(conditions.filter()) { letter, body in
                count += 1
                let document = LetterDocument(full: letter, body, withPictures: pictures)
                guard let line = JSONOutput.line(document) else { return }
                spool?.write(line)
                output?.write(line)
            }
            try spool?.copyToStandardOutput()
            try output?.complete()
            StandardError.write("\(count) \(count == 1 ? "letter" : "letters")\n")
        }
    }
}

/// A file that gets its name when it is complete.
private final class PartialFile {
    private let path: String
    private let handle: FileHandle
    private var failure: (any Error)?
    private var isComplete = false

    private var partialPath: String { path + ".part" }

    init(_ path: String) throws {
        self.path = path
        let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
        let partialPath = path + ".part"
        guard FileManager.default.createFile(atPath: partialPath, contents: nil, attributes: attributes),
            let handle = FileHandle(forWritingAtPath: partialPath)
        else { throw CommandFailure(.cannotWrite, "\(partialPath): cannot be written") }
        self.handle = handle
    }

    deinit { if !isComplete { try? FileManager.default.removeItem(atPath: partialPath) } }

    func write(_ data: Data) {
        guard failure == nil else { return }
        do { try handle.write(contentsOf: data) } catch { failure = error }
    }

    func complete() throws {
        do {
            if let failure { throw failure }
            try handle.synchronize()
            try handle.close()
            let (partial, complete) = (URL(fileURLWithPath: partialPath), URL(fileURLWithPath: path))
            if FileManager.default.fileExists(atPath: path) {
                _ = try FileManager.default.replaceItemAt(complete, withItemAt: partial)
            } else {
                try FileManager.default.moveItem(at: partial, to: complete)
            }
        } catch {
            throw CommandFailure(.cannotWrite, "\(path): \(error.localizedDescription)")
        }
        isComplete = true
    }
}
