public import Broker
public import Logging
import Messages
import RectifIDClient
public import ServiceLifecycle
import Synchronization

/// Takes jobs from the lanes of a pool, computes them and replies.
///
/// A stateless service: run as many as there are machines, stop them at any time. On a graceful shutdown it takes nothing
/// new, hands running jobs over at their next iteration, and ends.
public final class JobWorker: Service {
    let broker: any Broker
    let personalizer: any Personalizer
    let configuration: WorkerConfiguration
    let observer: any WorkerObserver
    let logger: Logger
    /// Places to compute at.
    let slots: Slots
    /// Places for requests that are held, those included whose answer is on its way: a client that is gone or a broker
    /// that is slow is waited for beside the next job's computation, but not by any number of requests.
    let holds: Slots
    let jobs: RunningJobs
    let served = ServedQueues()
    private let life = Mutex(WorkerState.starting)
    let start = ContinuousClock.now

    /// A worker of `configuration.slots` jobs at a time.
    public init(
        broker: any Broker, personalizer: any Personalizer, configuration: WorkerConfiguration,
        observer: any WorkerObserver = NoObserver(), logger: Logger
    ) {
        self.observer = observer
        self.broker = broker
        self.personalizer = personalizer
        self.configuration = configuration
        var logger = logger
        logger[metadataKey: "worker"] = "\(configuration.workerID)"
        self.logger = logger
        jobs = RunningJobs(configuration)
        slots = Slots(max(configuration.slots, 1))
        holds = Slots(max(configuration.slots, 1) + 8)
    }

    /// How the worker is now.
    public var health: WorkerHealth {
        WorkerHealth(
            state: life.withLock { $0 }, broker: broker.state, jobs: jobs.descriptions, counts: jobs.counts)
    }

    /// Stops taking jobs and hands the running ones over; ``run()`` returns when they are gone.
    public func drain() {
        life.withLock { $0 = .draining }
        slots.close()
        holds.close()
        jobs.drain()
    }

    /// Works until ``drain()`` or a graceful shutdown.
    ///
    /// A broker that is away is waited for, also at the start.
    /// - Throws: `BrokerError` where waiting does not help: the login, a certificate or a permission is refused, or the
    ///   pool's queues exist with other arguments.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            try await work()
        } onGracefulShutdown: {
            self.logger.info("stopping: running jobs are handed over")
            self.drain()
        }
    }

    private func work() async throws {
        // Before the first job, so that no cancellation is missed by a worker that has one.
        guard
            let (control, cancellations) = try await untilDrained({ () async throws(BrokerError) in
                try await self.prepare()
            })
        else {
            return logger.info("stopped before the broker was there")
        }
        let listening = Task { await listen(to: control) }
        let remembering = Task { await listen(toCancellationsFrom: cancellations) }
        life.withLock { if $0 == .starting { $0 = .ready } }
        logger.info("ready", metadata: ["pool": "\(configuration.pool.name)", "slots": "\(configuration.slots)"])
        let end = await takeJobsUntilDrained()
        life.withLock { $0 = .draining }
        listening.cancel()
        remembering.cancel()
        await listening.value
        await remembering.value
        let counts = jobs.counts
        logger.info(
            "stopped",
            metadata: [
                "succeeded": "\(counts.succeeded)", "failed": "\(counts.failed)", "handed over": "\(counts.handedOver)",
            ])
        try end.get()
    }

    /// Declares and subscribes, once the broker is there.
    private func prepare() async throws(BrokerError) -> (control: Consumer, cancellations: Consumer?) {
        if configuration.declaresTopology {
            try await persist("cannot declare the pool's queues yet") { () async throws(BrokerError) in
                try await broker.declare(configuration.pool.topology)
            }
        }
        let control = try await persist("cannot listen to control messages yet") { () async throws(BrokerError) in
            try await subscribeToControl()
        }
        return (control, await recallCancellations())
    }

    /// Takes jobs until the last has left; what cannot leave in time after a drain is left to the broker, which gives it
    /// to somebody else when the connection closes.
    private func takeJobsUntilDrained() async -> Result<Void, BrokerError> {
        let work = Task { await takeJobs() }
        let limit = Task {
            await slots.closed()
            // Those that compute hand over at their next iteration, and get all the time they need for that.
            while let control = jobs.computing { _ = await control.outcome() }
            try? await configuration.clock.sleep(for: configuration.drainGrace)
            guard !Task.isCancelled else { return }
            logger.warning(
                "some jobs could not be handed over in time; the broker takes them back",
                metadata: ["jobs": .array(jobs.descriptions.map { "\($0.jobID)" })])
            work.cancel()
        }
        defer { limit.cancel() }
        return await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            work.cancel()
        }
    }

    /// Takes jobs while there are free slots, each in a task of its own, and waits for the last.
    private func takeJobs() async -> Result<Void, BrokerError> {
        await withDiscardingTaskGroup { group in
            var intake = Intake(
                broker: broker, configuration: configuration, slots: slots, served: served, logger: logger)
            var backoff = Self.callBackoff
            while await takePlaces() {
                do throws(BrokerError) {
                    guard let (delivery, queue) = try await intake.next() else { break }
                    backoff.reset()
                    group.addTask {
                        await self.process(delivery, from: queue)
                        self.holds.giveBack()
                    }
                } catch {
                    slots.giveBack()
                    holds.giveBack()
                    if slots.isClosed, error == .cancelled { return .success(()) }
                    do throws(BrokerError) {
                        try await outwait(error, &backoff, "no jobs for the moment")
                        try await reachBroker()
                    } catch {
                        return slots.isClosed && error == .cancelled ? .success(()) : .failure(error)
                    }
                }
            }
            return .success(())
        }
    }

    /// Waits until another request can be held and computed.
    private func takePlaces() async -> Bool {
        guard await holds.take() else { return false }
        return await slots.take()
    }
}
