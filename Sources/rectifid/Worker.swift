import ArgumentParser
import Broker
import DemoModel
import Foundation
import Generation
import Jobs
import Logging
import Monitoring
import ObjectStores
import RectifIDClient
import ServiceLifecycle
import Serving
import Tensors
import UnixSignals

/// `rectifid worker`: takes jobs from RabbitMQ until it is stopped.
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Takes jobs from RabbitMQ, makes the pictures and replies.",
        discussion: """
            Run as many as there are machines. On SIGTERM or SIGINT a worker takes nothing new, hands running jobs over to
            others at their next iteration, and ends with exit code 0. Every option can come from the environment: the
            variable in brackets.
            """)

    @OptionGroup var broker: BrokerOptions
    @OptionGroup var monitoring: MonitoringOptions
    @OptionGroup var store: StoreOptions

    @Option(
        name: .customLong("model"),
        help:
            "A folder in diffusers' layout, or demo; more than once for several, the first is the default. [RECTIFID_MODEL]"
    )
    var models: [String] = []

    @Option(help: "SCRFD face detector, ONNX; the model's own by default. [RECTIFID_FACE_DETECTOR]")
    var faceDetector: String?

    @Option(help: "ArcFace face recogniser, ONNX; the model's own by default. [RECTIFID_FACE_RECOGNIZER]")
    var faceRecognizer: String?

    @Option(help: "Side of the square that the face detector sees, a multiple of 32. [RECTIFID_DETECTOR_SIZE]")
    var detectorSize: Int?

    @Option(help: "ONNX network from a picture to a feature, for custom subjects. [RECTIFID_DISCRIMINATOR]")
    var discriminator: String?

    @Option(help: "Side of the square that it sees, where its file does not say. [RECTIFID_DISCRIMINATOR_SIZE]")
    var discriminatorSize: Int?

    @Option(
        help: """
            What the networks compute their products in, float32 or bfloat16; bfloat16 by default where the processor has \
            it. Say one for a pool of unlike machines whose interrupted jobs shall end in the same bits. \
            [RECTIFID_PRECISION]
            """)
    var precision: Precision?

    @OptionGroup var memory: MemoryOptions
    @OptionGroup var cache: CacheOptions

    @Option(help: "Jobs at a time; 1 by default. [RECTIFID_SLOTS]")
    var slots: Int?

    @Option(help: "Name among the pool's workers; host and process by default. [RECTIFID_WORKER_ID]")
    var workerID: String?

    @Option(help: "Attempts at a job before it becomes a dead letter; 5 by default. [RECTIFID_ATTEMPTS]")
    var attempts: Int?

    @Option(
        help: """
            Minutes after which a running job is handed back; 25 by default. Keep it below the broker's consumer_timeout, \
            which is 30 minutes unless configured. [RECTIFID_MAXIMUM_HOLD]
            """)
    var maximumHold: Int?

    @Option(
        help: "Most pixels of a picture; four times the model's own size by default. [RECTIFID_MAXIMUM_PIXELS]")
    var maximumPixels: Int?

    @Flag(help: "Declare no exchanges and queues of the pool: they must exist. [RECTIFID_NO_DECLARE]")
    var noDeclare = false

    mutating func validate() throws {
        models = EnvironmentValue.list(models, "model")
        faceDetector = try EnvironmentValue.value(faceDetector, "face-detector")
        faceRecognizer = try EnvironmentValue.value(faceRecognizer, "face-recognizer")
        detectorSize = try EnvironmentValue.value(detectorSize, "detector-size")
        discriminator = try EnvironmentValue.value(discriminator, "discriminator")
        discriminatorSize = try EnvironmentValue.value(discriminatorSize, "discriminator-size")
        precision = try EnvironmentValue.value(precision, "precision")
        slots = try EnvironmentValue.value(slots, "slots")
        workerID = try EnvironmentValue.value(workerID, "worker-id")
        attempts = try EnvironmentValue.value(attempts, "attempts")
        maximumHold = try EnvironmentValue.value(maximumHold, "maximum-hold")
        maximumPixels = try EnvironmentValue.value(maximumPixels, "maximum-pixels")
        noDeclare = try EnvironmentValue.flag(noDeclare, "no-declare")
        for (name, value, range) in [
            ("slots", slots, 1...64), ("attempts", attempts, 1...1000), ("maximum-hold", maximumHold, 1...100_000),
            ("detector-size", detectorSize, 32...4096), ("maximum-pixels", maximumPixels, 256...(1 << 24)),
        ] {
            if let value, !range.contains(value) {
                throw ValidationError("--\(name) \(value); \(range.lowerBound) to \(range.upperBound) are possible")
            }
        }
        if let size = detectorSize, size % 32 != 0 {
            throw ValidationError("--detector-size \(size); multiples of 32 are possible")
        }
        if let id = workerID, !(1...100).contains(id.utf8.count) || !id.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        {
            throw ValidationError("--worker-id '\(id)'; 1 to 100 visible ASCII characters are possible")
        }
    }

    func run() async throws { try await CommandFailure.reporting { try await serve() } }

    private func serve() async throws {
        ProcessMemory.useOneHeap()
        let logger = broker.logger("rectifid.worker", standardLevel: .info)
        let id = workerID ?? Self.standardID
        // First, so that probes can tell a worker that loads its models from one that hangs.
        let monitoring = try monitoring.start(workerID: id, logsTraces: broker.logFormat == .json, logger: logger)
        do {
            try await serve(id, monitoring.monitor, logger)
            await monitoring.stop()
        } catch {
            await monitoring.stop()
            throw error
        }
    }

    private func serve(_ id: String, _ monitor: WorkerMonitor, _ logger: Logger) async throws {
        let personalizer = ModelPersonalizer(
            try load(logger), device: Self.device, maximumPixels: maximumPixels)
        var configuration = WorkerConfiguration(workerID: id, version: Rectifid.version)
        configuration.slots = slots ?? 1
        configuration.maximumAttempts = attempts ?? configuration.maximumAttempts
        if let maximumHold { configuration.maximumHold = .seconds(60 * maximumHold) }
        configuration.declaresTopology = !noDeclare
        configuration.claimCheck = try await checkedStore(logger)
        let connection: RabbitMQBroker
        do throws(BrokerError) { configuration.pool = try broker.namedPool() } catch {
            throw CommandFailure(.refused, "\(error)")
        }
        connection = try await broker.connectWorker(
            name: "rectifid worker \(configuration.workerID)", logger: logger)
        let worker = JobWorker(
            broker: connection, personalizer: personalizer, configuration: configuration, observer: monitor,
            logger: logger)
        monitor.watch(worker, states: connection.states) {
            let (consuming, publishing) = connection.delays
            return [
                WorkerMonitor.Delay(connection: "consume", duration: consuming),
                WorkerMonitor.Delay(connection: "publish", duration: publishing),
            ]
        }
        let group = ServiceGroup(
            services: [worker], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        do {
            try await group.run()
            await connection.close()
        } catch {
            await connection.close()
            throw CommandFailure(.unavailable, "\(error)")
        }
    }

    /// The store, where there is to be one.
    ///
    /// One that is set up wrong is noticed here, not by the first job; one that is away may come back.
    private func checkedStore(_ logger: Logger) async throws -> ClaimCheck? {
        guard let claimCheck = try store.claimCheck() else { return nil }
        do throws(ObjectStoreError) {
            try await claimCheck.store.check()
            logger.info("store ready", metadata: ["store": "\(claimCheck.store.name)"])
        } catch {
            if case .misconfigured = error { throw CommandFailure(error) }
            // Not told from a missing object where the credentials may not list the bucket.
            logger.warning("store not ready", metadata: ["store": "\(claimCheck.store.name)", "error": "\(error)"])
        }
        return claimCheck
    }

    private func load(_ logger: Logger) throws -> [Model] {
        let judges = Model.Judges(
            faceDetector: faceDetector, faceRecognizer: faceRecognizer, detectorSize: detectorSize,
            custom: discriminator, customSize: discriminatorSize)
        return try (models.isEmpty ? ["demo"] : models).map { path in
            let folder: String
            do { folder = path == "demo" ? try DemoModel.directory() : path } catch {
                throw CommandFailure(.missingInput, "\(error)")
            }
            let start = ContinuousClock.now
            let model = try Model(
                folder, judges: judges, precision: precision ?? CPU.preferredPrecision, recompute: memory.plan,
                cache: cache.folder)
            for problem in model.cacheProblems { logger.warning("\(problem)", metadata: ["model": "\(model.id)"]) }
            logger.info(
                "model loaded",
                metadata: [
                    "model": "\(model.id)", "hash": "\(model.hash)", "precision": "\(model.precision.rawValue)",
                    "took": "\(ContinuousClock.now - start)", "cache": "\(model.cache?.place.rawValue ?? "none")",
                ])
            return model
        }
    }

    private static var device: String { "CPU, \(ProcessInfo.processInfo.activeProcessorCount) processors" }

    private static var standardID: String {
        let host = ProcessInfo.processInfo.hostName.prefix(80).filter { $0.isASCII && !$0.isWhitespace }
        // Process numbers repeat over containers of one host name.
        return
            "\(host)-\(ProcessInfo.processInfo.processIdentifier)-\(String(UInt16.random(in: .min ... .max), radix: 36))"
    }
}
