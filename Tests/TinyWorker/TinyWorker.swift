import Broker
import Foundation
import Jobs
import Logging
import Messages
import RectifIDClient
import ServiceLifecycle
import TinyModel
import UnixSignals

/// A worker process with the tiny model, which a test can have killed at a given moment of a job's life.
///
///     TinyWorker URL POOL    with, from the environment:
///     TINY_WORKER_ID         name among the pool's workers
///     TINY_SLOTS             jobs at a time
///     TINY_PASS_MS           milliseconds per pass
///     TINY_DIE               point at which it kills itself with SIGKILL
///     TINY_DIE_AT_PASS       which pass that is, where the point is `computing`
///     TINY_KEPT_BYTES        how much of answers is kept to be sent again
///     TINY_FAIL              `later` or `forever`: how every job fails
///     TINY_JOURNAL           file that gets a line for every job begun, and for every one acknowledged with success
///     TINY_LOG               anything: logs everything
@main
struct TinyWorker {
    static func main() async throws {
        ProcessMemory.useOneHeap()
        let arguments = CommandLine.arguments
        guard arguments.count == 3 else { exit(64) }
        let environment = ProcessInfo.processInfo.environment
        var logger = Logger(label: "tiny") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = environment["TINY_LOG"] == nil ? .warning : .debug
        var configuration = WorkerConfiguration(workerID: environment["TINY_WORKER_ID"] ?? "tiny-\(getpid())")
        configuration.pool = try Pool(arguments[2], retryDelays: [.milliseconds(100)])
        configuration.slots = environment["TINY_SLOTS"].flatMap { Int($0) } ?? 1

        let death = environment["TINY_DIE"].flatMap { KillPoint(rawValue: $0) }
        let die: @Sendable (KillPoint) -> Void = { point in if point == death { kill(getpid(), SIGKILL) } }
        if let bytes = environment["TINY_KEPT_BYTES"].flatMap({ Int($0) }) { configuration.keptAnswerBytes = bytes }
        let connection = try connect(arguments[1], name: configuration.workerID, logger)
        let broker = WatchedBroker(connection, pool: configuration.pool, onKillPoint: die)
        let worker = JobWorker(
            broker: broker, personalizer: personalizer(environment, die), configuration: configuration,
            observer: Journal(environment["TINY_JOURNAL"], broker: broker), logger: logger)
        try await ServiceGroup(services: [worker], gracefulShutdownSignals: [.sigterm], logger: logger).run()
        await connection.close()
    }

    private static func connect(_ url: String, name: String, _ logger: Logger) throws -> RabbitMQBroker {
        var configuration = try RabbitMQConfiguration(url: url)
        configuration.connectionName = name
        configuration.backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(2))
        return RabbitMQBroker(configuration, logger: logger)
    }

    private static func personalizer(
        _ environment: [String: String], _ die: @escaping @Sendable (KillPoint) -> Void
    ) -> TinyPersonalizer {
        let deadly = environment["TINY_DIE_AT_PASS"].flatMap { Int($0) } ?? 1
        let pause = environment["TINY_PASS_MS"].flatMap { UInt32($0) } ?? 0
        return TinyPersonalizer(
            onBegin: { (_) throws(Status) in
                switch environment["TINY_FAIL"] {
                case "later": throw Status(.unavailable, "fails for now, as it was told to")
                case "forever": throw Status(.failedPrecondition, "fails for good, as it was told to")
                default: break
                }
            },
            onPass: { (_, pass) throws(Status) in
                if pass == deadly { die(.computing) }
                usleep(pause * 1000)
            })
    }
}
