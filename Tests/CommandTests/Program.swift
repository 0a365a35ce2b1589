import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
import Raster
import RectifIDClient
import Testing

/// The built program, run as a process of its own.
enum Program {
    struct Run: Sendable {
        let code: Int32
        let output, errors: String

        /// Lines of JSON as objects.
        var objects: [[String: Any]] {
            get throws {
                try output.split(separator: "\n").map { line in
                    try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                }
            }
        }
    }

    /// Beside the program that runs the tests.
    static let url = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("rectifid")

    /// - Parameter program: Another one that runs this, a shell for instance.
    static func run(
        _ arguments: [String], environment: [String: String] = [:], program: String? = nil
    ) async throws -> Run {
        let process = Process()
        process.executableURL = program.map { URL(fileURLWithPath: $0) } ?? url
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        // Files, since a pipe that nobody reads would fill up.
        let folder = try TemporaryFolder()
        let (output, errors) = (try folder.file("output"), try folder.file("errors"))
        (process.standardOutput, process.standardError) = (output, errors)
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            process.terminationHandler = { _ in continuation.resume() }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        return Run(
            code: process.terminationStatus, output: try folder.text("output"), errors: try folder.text("errors"))
    }
}

/// A folder that goes with its last user.
final class TemporaryFolder: Sendable {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("rectifid-test-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    func file(_ name: String) throws -> FileHandle {
        _ = FileManager.default.createFile(atPath: path(name), contents: nil)
        return try #require(FileHandle(forWritingAtPath: path(name)))
    }

    func text(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: path(name))), as: UTF8.self)
    }

    var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() } }
}

/// A pool of its own on the node of `RECTIFID_TEST_AMQP_URL`, for one test.
struct LetterBox: Sendable {
    let pool: Pool
    let broker: RabbitMQBroker

    static func open(_ body: (LetterBox) async throws -> Void) async throws {
        let broker = try await RealBroker.connect()
        let box = LetterBox(pool: try Pool(Pool.randomName()), broker: broker)
        try await broker.declare(box.pool.topology)
        try await attempt {
            try await body(box)
        } cleanup: {
            try await broker.remove(box.pool.topology)
            await broker.close()
        }
    }

    /// Where commands find the pool, and who they say they are.
    var environment: [String: String] {
        [
            "RECTIFID_AMQP_URL": RealBroker.url ?? "", "RECTIFID_POOL": pool.name, "RECTIFID_OPERATOR": "ann@desk",
        ]
    }

    /// Runs a command on the pool.
    func run(_ arguments: String...) async throws -> Program.Run {
        try await Program.run(arguments, environment: environment)
    }

    /// Runs `rectifid dead-letters`.
    func letters(_ arguments: String...) async throws -> Program.Run {
        try await Program.run(["dead-letters"] + arguments, environment: environment)
    }

    func write(
        _ id: String, code: String = "INTERNAL", reason: String = "a reason", body: [UInt8]? = nil
    ) async throws {
        let headers: [String: HeaderValue] = [
            Wire.Header.deathCode: .string(code), Wire.Header.deathReason: .string(reason), Wire.Header.attempt: 2,
            Wire.Header.deathFirstTime: 1_700_000_000_000, Wire.Header.deathLastTime: 1_700_000_060_000,
            Wire.Header.deathWorker: "worker-7", Wire.Header.traceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad-01",
        ]
        try await broker.publish(
            OutgoingMessage(
                MessageProperties(
                    contentType: Wire.contentType, type: Wire.Method.personalize.rawValue, messageID: id,
                    correlationID: "c", replyTo: "nowhere", headers: headers),
                body: try body ?? Self.request().encode()),
            exchange: pool.deadLetterExchange, routingKey: Lane.batch.rawValue)
    }

    static func request(prompt: String = "a portrait") throws -> PersonalizeRequest {
        let picture = try Picture(width: 400, height: 300, fill: (red: 200, green: 120, blue: 40)).encode(.png)
        var request = PersonalizeRequest(references: [Reference(picture: .image(picture))], prompt: prompt)
        request.seed = 7
        return request
    }

    func depth(_ queue: String) async throws -> Int { try await broker.depth(of: queue).messages }
}
