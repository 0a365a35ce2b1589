import Foundation
import Testing

/// A RabbitMQ node of a test's own, which it may restart, crash and alarm.
public struct PrivateNode: Sendable {
    public let directory: String
    public let url: String

    /// Set where `scripts/broker` can be used.
    public static let isAvailable = ProcessInfo.processInfo.environment["RECTIFID_TEST_BROKER_DIR"] != nil

    /// The node that tests share, whose state is to be left as it was.
    public static func shared() throws -> PrivateNode {
        let environment = ProcessInfo.processInfo.environment
        return PrivateNode(
            directory: try #require(environment["RECTIFID_TEST_BROKER_DIR"]),
            url: try #require(environment["RECTIFID_TEST_AMQP_URL"]))
    }

    private static let script = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("scripts/broker").path

    /// Runs a body with a new node, with further lines of rabbitmq.conf and plugins, and stops the node afterwards.
    public static func with(
        settings: String = "", plugins: [String] = [], _ body: (PrivateNode) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("rectifid-\(UUID())").path
        let extra = directory + ".conf"
        try settings.write(toFile: extra, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: extra) }
        let url = try await run(
            script, ["start", directory],
            [
                "RECTIFID_BROKER_CONF": extra, "RECTIFID_BROKER_PLUGINS": plugins.joined(separator: ","),
            ])
        try await attempt {
            try await body(PrivateNode(directory: directory, url: url))
        } cleanup: {
            _ = try await run(script, ["stop", directory])
            #expect(!FileManager.default.fileExists(atPath: directory))
        }
    }

    /// Runs a body with a cluster of new nodes, and stops them afterwards.
    public static func withCluster(of count: Int, _ body: ([PrivateNode]) async throws -> Void) async throws {
        try await with { first in
            var nodes = [first]
            let result: Result<Void, any Error>
            do {
                for index in 1..<count {
                    let directory = "\(first.directory)-\(index)"
                    let url = try await run(script, ["join", directory, first.directory])
                    nodes.append(PrivateNode(directory: directory, url: url))
                }
                try await body(nodes)
                result = .success(())
            } catch {
                result = .failure(error)
            }
            // The others first: the first one's epmd is that of all.
            for node in nodes.dropFirst() { _ = try await run(script, ["stop", node.directory]) }
            try result.get()
        }
    }

    public func restart() async throws { _ = try await Self.run(Self.script, ["restart", directory]) }

    public func crash() async throws { _ = try await Self.run(Self.script, ["crash", directory]) }

    /// Runs rabbitmqctl and returns what it printed.
    @discardableResult
    public func control(_ arguments: String...) async throws -> String {
        try await Self.run(Self.script, ["ctl", directory, "--quiet"] + arguments)
    }

    /// Where it listens on 127.0.0.1.
    public var port: UInt16 {
        get throws { UInt16(try #require(URL(string: url)?.port)) }
    }

    /// A port of 127.0.0.1 that the system has just had free.
    public static func freePort() throws -> UInt16 { try LoopbackSocket.freePort() }

    /// Runs a command and returns what it printed.
    @discardableResult
    public static func run(
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
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        try #require(process.terminationStatus == 0, "\(arguments): \(text)")
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
