import Broker
import Foundation
import Jobs
import RectifIDClient
import Logging
import Messages
import ServiceLifecycle
import Synchronization
import TinyModel
import UnixSignals

/// A worker process with the tiny model, which a test can have killed at a given moment of a job's life.
///
///     TinyWorker URL POOL    with, from the environment:
///     TINY_WORKER_ID         name among the pool's workers
///     TINY_SLOTS             jobs at a time
///     TINY_PASS_MS           milliseconds per pass
///     TINY_DIE               phase at which it kills itself with SIGKILL
///     TINY_DIE_AT_PASS       which pass that is, where the phase is `computing`
///     TINY_FAIL              `later` or `forever`: how every job fails
///     TINY_JOURNAL           file that gets one line for every job begun or acknowledged
///     TINY_RETRY_MS          delay of the pool's retry queue
@main
struct TinyWorker {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 3 else { exit(64) }
        let environment = ProcessInfo.processInfo.environment
        let number: @Sendable (String) -> Int? = { name in environment[name].flatMap { Int($0) } }
        let pool = try Pool(arguments[2], retryDelays: [.milliseconds(number("TINY_RETRY_MS") ?? 100)])
        var configuration = WorkerConfiguration(workerID: environment["TINY_WORKER_ID"] ?? "tiny-\(getpid())")
        configuration.pool = pool
        configuration.slots = number("TINY_SLOTS") ?? 1
        var logger = Logger(label: "tiny") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = environment["TINY_LOG"] == nil ? .warning : .debug

        let death = environment["TINY_DIE"].flatMap { KillPoint(rawValue: $0) }
        let journal = Journal(environment["TINY_JOURNAL"])
        let personalizer = TinyPersonalizer(
            onBegin: { (job) throws(Status) in
                journal.note("begin \(job.seed)")
                switch environment["TINY_FAIL"] {
                case "later": throw Status(.unavailable, "fails for now, as it was told to")
                case "forever": throw Status(.failedPrecondition, "fails for good, as it was told to")
                default: break
                }
            },
            onPass: { (_, pass) throws(Status) in
                if death == .computing, pass == number("TINY_DIE_AT_PASS") ?? 1 { kill(getpid(), SIGKILL) }
                if let milliseconds = number("TINY_PASS_MS") { usleep(UInt32(milliseconds) * 1000) }
            })
        var broker = try RabbitMQConfiguration(url: arguments[1])
        broker.connectionName = configuration.workerID
        broker.backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(2))
        let connection = RabbitMQBroker(broker, logger: logger)
        try await connection.ready(within: .seconds(120))
        let watched = WatchedBroker(connection, pool: pool) { phase in
            if phase == death { kill(getpid(), SIGKILL) }
        }
        let worker = JobWorker(
            broker: watched, personalizer: personalizer, configuration: configuration, logger: logger)
        try await ServiceGroup(services: [worker], gracefulShutdownSignals: [.sigterm], logger: logger).run()
        await connection.close()
    }
}

/// Lines of several processes in one file, each written at once.
private struct Journal: Sendable {
    private let descriptor: Int32

    init(_ path: String?) {
        descriptor = path.map { open($0, O_WRONLY | O_APPEND | O_CREAT, 0o644) } ?? -1
    }

    func note(_ line: String) {
        guard descriptor >= 0 else { return }
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let bytes = Array("\(time.tv_sec * 1000 + time.tv_nsec / 1_000_000) \(getpid()) \(line)\n".utf8)
        _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }
}
