import Broker
import DemoModel
import Foundation
import Jobs
import Messages
import RectifIDClient
import Synchronization
import Testing

/// A thousand jobs through real workers while one is killed, another is stopped and the broker restarts; `scripts/soak`.
@Suite(.enabled(if: WorkerProcesses.program != nil), .timeLimit(.minutes(60)))
struct SoakTests {
    private static let count = ProcessInfo.processInfo.environment["RECTIFID_SOAK_JOBS"].flatMap { Int($0) } ?? 1000

    @Test func everyJobIsAnsweredThoughAWorkerIsKilledAndTheBrokerRestarts() async throws {
        let directory = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent("rectifid-soak-\(getpid())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let node = directory.appendingPathComponent("broker").path
        let url = try Self.broker("start", node)
        let workers = WorkerProcesses(url: url, directory: directory)
        defer {
            workers.stop()
            _ = try? Self.broker("stop", node)
            try? FileManager.default.removeItem(at: directory)
        }
        for _ in 1...3 { try workers.start() }

        let connection = RabbitMQBroker(try RabbitMQConfiguration(url: url), logger: Stage.silent)
        try await connection.ready(within: .seconds(120))
        let pool = Pool.standard
        try await connection.declare(pool.topology)
        let replies = try await connection.declareReplyQueue(.lasting(unusedFor: .seconds(3600)))
        let body = try Self.body()
        let sending = Task {
            for index in 0..<Self.count {
                let lane = Lane.allCases[index % 2]
                try await connection.publishJob(
                    Sample.properties(jobID: Self.jobID(index), replyTo: replies), body: body, pool: pool, lane: lane)
            }
        }
        let tally = try await Self.collect(from: replies, on: connection) { answered in
            switch answered {
            case Self.count / 4:
                workers.kill(0)
                print("\(answered) answered: killed a worker")
            case Self.count / 2:
                print("\(answered) answered: restarting the broker")
                Thread.detachNewThread { _ = try? Self.broker("restart", node) }
            case 3 * Self.count / 4:
                workers.terminate(1)
                try workers.start()
                print("\(answered) answered: stopped a worker, started another")
            default: break
            }
        }
        try await sending.value
        #expect(tally.results.count == Self.count)
        #expect(Set(tally.results.keys) == Set((0..<Self.count).map { Self.jobID($0) }))
        #expect(tally.failures.isEmpty, "\(tally.failures.prefix(3))")
        print("\(Self.count) jobs, \(tally.duplicates) answered again under their own id")
        #expect(try await connection.depth(of: pool.deadLetterQueue).messages == 0)
        for lane in Lane.allCases { #expect(try await connection.depth(of: pool.workQueue(lane)).messages == 0) }
        await connection.close()
        #expect(workers.exitCode(1) == 0)
    }

    private struct Tally {
        /// The picture of each job's first result.
        var results: [String: ResultPicture?] = [:]
        var duplicates = 0
        var failures: [String] = []
    }

    private static func jobID(_ index: Int) -> String { "soak-\(index)" }

    /// Reads replies until every job has a result; `milestone` is called with each new number of jobs answered.
    private static func collect(
        from queue: String, on broker: RabbitMQBroker, milestone: (Int) throws -> Void
    ) async throws -> Tally {
        var tally = Tally()
        var iterator = try await broker.consume(queue: queue, prefetch: 100).makeAsyncIterator()
        while tally.results.count < count, let delivery = try await iterator.next() {
            let event = try PersonalizeEvent.decode(delivery.body)
            if case .result(let result) = event.body {
                if result.status.code != .ok { tally.failures.append("\(event.jobID): \(result.status)") }
                if let first = tally.results[event.jobID] {
                    tally.duplicates += 1
                    // The same job, the same seed: the same picture.
                    if first != result.picture { tally.failures.append("\(event.jobID): another picture") }
                } else {
                    tally.results[event.jobID] = .some(result.picture)
                    try milestone(tally.results.count)
                }
            }
            // Stale after the restart: it comes again and counts as a duplicate.
            try? await broker.acknowledge(delivery)
        }
        return tally
    }

    private static func body() throws -> [UInt8] {
        guard let sample = try DemoModel.samples().first else { throw CocoaError(.fileNoSuchFile) }
        let picture = [UInt8](try Data(contentsOf: URL(fileURLWithPath: sample)))
        var request = PersonalizeRequest(references: [Reference(picture: .image(picture))], prompt: "a portrait")
        request.iterations = 0
        request.seed = 1
        return request.encode()
    }

    /// Runs `scripts/broker` and returns the last line of its output.
    private static func broker(_ arguments: String...) throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
        let process = Process()
        process.executableURL = root.appendingPathComponent("scripts/broker").standardizedFileURL
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
        return String(decoding: output, as: UTF8.self).split(separator: "\n").last.map { String($0) } ?? ""
    }
}

/// The workers of a soak.
private final class WorkerProcesses: Sendable {
    static let program = ProcessInfo.processInfo.environment["RECTIFID_SOAK_PROGRAM"]

    private let processes = Mutex<[Process]>([])
    private let url: String
    private let directory: URL

    init(url: String, directory: URL) {
        self.url = url
        self.directory = directory
    }

    func start() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.program ?? "")
        process.arguments = ["worker", "--amqp-url", url]
        let number = processes.withLock { $0.count }
        let log = directory.appendingPathComponent("worker-\(number).log")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        process.standardError = try FileHandle(forWritingTo: log)
        try process.run()
        processes.withLock { $0.append(process) }
    }

    func kill(_ index: Int) {
        processes.withLock { _ = Foundation.kill($0[index].processIdentifier, SIGKILL) }
    }

    func terminate(_ index: Int) { processes.withLock { $0[index].terminate() } }

    func exitCode(_ index: Int) -> Int32 {
        processes.withLock { processes in
            processes[index].waitUntilExit()
            return processes[index].terminationStatus
        }
    }

    func stop() {
        processes.withLock { processes in
            for process in processes where process.isRunning { process.terminate() }
            for process in processes { process.waitUntilExit() }
        }
    }
}
