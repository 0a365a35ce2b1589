import Foundation

/// Output that waits in a file until the letters are given back: a pager at the other end of a pipe may take its time.
final class Spool {
    private let file: FileHandle
    private let url: URL
    private(set) var failure: (any Error)?

    /// - Throws: ``CommandFailure`` where there is no room for temporary files.
    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("rectifid-\(UUID().uuidString)")
        // Prompts, and perhaps pictures, of people: for nobody else to read.
        guard
            FileManager.default.createFile(atPath: url.path, contents: nil, attributes: [.posixPermissions: 0o600]),
            let file = FileHandle(forUpdatingAtPath: url.path)
        else { throw CommandFailure(.cannotWrite, "\(url.path): cannot be written") }
        self.file = file
        // It needs its name no longer, and goes with the process whatever happens.
        try? FileManager.default.removeItem(at: url)
    }

    func write(_ data: Data) {
        guard failure == nil else { return }
        do { try file.write(contentsOf: data) } catch { failure = error }
    }

    /// - Throws: ``CommandFailure`` where something could not be written.
    func copyToStandardOutput() throws {
        do {
            if let failure { throw failure }
            try file.seek(toOffset: 0)
            while let part = try file.read(upToCount: 1 << 20), !part.isEmpty {
                try FileHandle.standardOutput.write(contentsOf: part)
            }
        } catch {
            throw CommandFailure(.cannotWrite, "output: \(error.localizedDescription)")
        }
    }
}
