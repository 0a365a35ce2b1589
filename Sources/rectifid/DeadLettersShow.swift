import ArgumentParser
import Foundation
import Jobs
import Messages
import Raster
import RectifIDClient

/// `rectifid dead-letters show`.
struct DeadLettersShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows the dead letters of a job: why they failed and what they asked for.",
        discussion: """
            Changes nothing. With --output the reference pictures are written to a folder, each as it is and as a thumbnail,
            and a request that cannot be read as the bytes it is.
            """)

    @Argument(help: "The job's id, or a letter's.")
    var id: String

    @OptionGroup var options: LetterOptions

    @Option(name: [.long, .customLong("pictures")], help: ArgumentHelp("Folder to write to.", valueName: "folder"))
    var output: String?

    @Flag(help: "Of the bin instead of the dead letters.")
    var bin = false

    @Flag(help: "Print JSON, a line per letter.")
    var json = false

    func run() async throws {
        try await options.withLetters(bin ? .bin : .letters) { queue in
            var count = 0
            var failure: (any Error)?
            try await queue.forEach(.jobs([id])) { letter, body in
                if !json, count > 0 { print() }
                count += 1
                let document = LetterDocument(full: letter, body)
                if json { JSONOutput.printLine(document) } else { document.printLines() }
                guard let output, failure == nil else { return }
                do { try LetterFolder(output).write(letter, body) } catch { failure = error }
            }
            if let failure { throw failure }
            guard count > 0 else { throw CommandFailure(.missingInput, "no letter of '\(id)' in \(queue.name)") }
        }
    }
}

/// A folder with the pictures of letters.
private struct LetterFolder {
    private static let thumbnailSide = 256
    private let folder: URL

    init(_ path: String) throws {
        folder = URL(fileURLWithPath: path)
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure(.cannotWrite, "\(path): \(error.localizedDescription)")
        }
    }

    func write(_ letter: DeadLetter, _ body: DeadLetterBody) throws {
        // A job's id is a stranger's text; a letter's id is not.
        switch body.request {
        case .failure:
            if body.omittedSize == nil { try write(body.bytes, "\(letter.id).bin") }
        case .success(let request):
            for (index, reference) in request.references.enumerated() {
                guard case .image(let bytes) = reference.picture else { continue }
                try write(bytes, named: "\(letter.id)-\(index)")
            }
        }
    }

    private func write(_ bytes: [UInt8], named name: String) throws {
        let format = PictureFormat.sniff(bytes)
        try write(bytes, "\(name).\(format == .png ? "png" : format == .jpeg ? "jpg" : "bin")")
        do throws(PictureError) {
            let thumbnail = try Picture.decode(bytes, limits: .standard).fitted(within: Self.thumbnailSide)
            let file = try thumbnail.encode(.jpeg(JPEGOptions(quality: 85)))
            try? write(file, "\(name).thumbnail.jpg")
        } catch {
            // What is no picture may be the very reason why the job is here.
            StandardError.write("\(name): no thumbnail: \(error)\n".escapedForTerminal + "\n")
        }
    }

    private func write(_ bytes: [UInt8], _ name: String) throws {
        let file = folder.appendingPathComponent(name)
        do {
            try Data(bytes).write(to: file)
        } catch {
            throw CommandFailure(.cannotWrite, "\(file.path): \(error.localizedDescription)")
        }
        StandardError.write("\(file.path)\n")
    }
}
