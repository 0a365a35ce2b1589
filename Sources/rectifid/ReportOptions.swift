import ArgumentParser
import Evaluation
import Foundation
import Raster

/// Where the results of an evaluation go.
struct ReportOptions: ParsableArguments {
    @Option(help: "Write the report with every picture's figures as JSON to a file, or to standard output for -.")
    var json: String?

    @Option(help: "Write a contact sheet of the first seed, .png or .jpg: reference, then unguided and guided.")
    var sheet: String?

    @Option(name: .customLong("output"), help: "Keep all pictures in this folder, PNG, each with how it was made.")
    var folder: String?

    @Flag(help: "Leave with code 1 unless every goal of the prompts file is met.")
    var goals = false

    func validate() throws {
        guard let sheet, format(of: sheet) == nil else { return }
        throw ValidationError("--sheet \(sheet): the name must end in .jpg, .jpeg or .png")
    }

    private func format(of name: String) -> PictureFormat? {
        PictureFormat(fileExtension: URL(fileURLWithPath: name).pathExtension)
    }

    /// Prints the table and writes the files.
    func write(_ report: EvaluationReport, sheet picture: Picture?) throws {
        if json == "-" { StandardError.write(report.table) } else { print(report.table, terminator: "") }
        if let sheet, let picture {
            let encoding: PictureEncoding = format(of: sheet) == .png ? .png : .jpeg(JPEGOptions(chroma: .full))
            do {
                try save(Data(try picture.encode(encoding)), to: sheet)
            } catch let error as PictureError {
                throw CommandFailure(.internalFailure, "\(error)")
            }
        }
        guard let json else { return }
        let data = try JSONOutput.document(report)
        if json == "-" { FileHandle.standardOutput.write(data) } else { try save(data, to: json) }
    }

    private func save(_ data: Data, to path: String) throws {
        do {
            try data.write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw CommandFailure(.cannotWrite, "\(path): cannot be written: \(error.localizedDescription)")
        }
    }
}
