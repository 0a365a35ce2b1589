import Foundation
import Testing

/// A RabbitMQ node of a test's own, which it may restart, crash and alarm.
struct PrivateNode: Sendable {
    let directory: String
    let url: String

    /// Set where `scripts/broker` can be used.
    static let isAvailable = ProcessInfo.processInfo.environment["RECTIFID_TEST_BROKER_DIR"] != nil

    private static let script = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("scripts/broker").path

    /// Runs a body with a new node, with further lines of rabbitmq.conf, and stops the node afterwards.
    static func with(settings: String = "", _ body: (PrivateNode) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("rectifid-\(UUID())").path
        let extra = directory + ".conf"
        try settings.write(toFile: extra, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: extra) }
        let url = try await run(script, ["start", directory], ["RECTIFID_BROKER_CONF": extra])
        let result: Result<Void, any Error>
        do {
            try await body(PrivateNode(directory: directory, url: url))
            result = .success(())
        } catch {
            result = .failure(error)
        }
        _ = try await run(script, ["stop", directory])
        #expect(!FileManager.default.fileExists(atPath: directory))
        try result.get()
    }

    func restart() async throws { _ = try await Self.run(Self.script, ["restart", directory]) }

    func crash() async throws { _ = try await Self.run(Self.script, ["crash", directory]) }

    func control(_ arguments: String...) async throws {
        _ = try await Self.run(Self.script, ["ctl", directory, "--quiet"] + arguments)
    }

    /// Runs a command and returns what it printed.
    @discardableResult
    static func run(
        _ path: String, _ arguments: [String], _ environment: [String: String] = [:]
    ) async throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            process.terminationHandler = { _ in continuation.resume() }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        try #require(process.terminationStatus == 0, "\(arguments): \(text)")
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
