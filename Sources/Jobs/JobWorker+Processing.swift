import Broker
import Logging
import Messages
import RectifIDClient

extension JobWorker {
    /// Takes one request from its delivery to its settlement; the slot is given back as soon as its computation ends.
    func process(_ delivery: Delivery, from queue: WorkQueue) async {
        let request = hold(delivery, from: queue)
        let job: Job
        switch read(request) {
        case .success(let readable): job = readable
        case .failure(let failure):
            slots.giveBack()
            request.observer.began(.settle)
            guard delivery.omittedBodySize == nil else { return await refuseOversized(request) }
            await fail(request, failure)
            return
        }
        if isLate(job) { return await refuse(job, of: request, .late(job.deadline)) }
        await begin(job, of: request)
    }

    private func begin(_ job: Job, of request: HeldRequest) async {
        switch jobs.begin(job) {
        case .run(let control): await run(job, control: control, of: request)
        case .cancelled(let reason): await refuse(job, of: request, .cancelled(reason))
        case .reusedID: await refuse(job, of: request, .reusedID)
        case .follow(let control):
            slots.giveBack()
            await follow(control, with: job, of: request)
        case .repeated(let answer):
            slots.giveBack()
            await repeatResult(answer, to: job, of: request)
        case .crowded:
            slots.giveBack()
            await postpone(job, of: request)
        case .wait(let control):
            // With the slot: whoever waits for jobs holds the others, and may not give one back for long.
            await control.settled()
            await begin(job, of: request)
        }
    }

    /// Whether nobody has a use for the job any more.
    func isLate(_ job: Job) -> Bool {
        job.deadline.map { configuration.wallTime.read() >= $0 } ?? false
    }

    /// Answers a request that is not computed.
    private func refuse(_ job: Job, of request: HeldRequest, _ status: Status) async {
        slots.giveBack()
        request.observer.began(.settle)
        await fail(request, FailedAttempt(status: status, attempt: job.attempt, sequence: job.firstSequence))
    }

    private func run(_ job: Job, control: JobControl, of request: HeldRequest) async {
        request.logger.info(
            "started",
            metadata: [
                "model": "\(job.request.modelID ?? personalizer.models.first?.id ?? "")",
                "lane": "\(job.lane.rawValue)", "attempt": "\(job.attempt)",
                "iteration": "\(job.request.resume?.nextIteration ?? 0)",
            ])
        let (outcome, sequence) = await compute(job, control: control, of: request)
        request.observer.began(.settle)
        let ending = await settle(request, job: job, control: control, outcome: outcome, sequence: sequence)
        jobs.end(control, ending, sequence: sequence)
    }

    /// What is known of a request before it is read.
    private func hold(_ delivery: Delivery, from queue: WorkQueue) -> HeldRequest {
        var address = ReplyAddress(delivery.properties)
        let observer = observer.took(
            TakenRequest(delivery, lane: queue.lane, jobID: address.jobID, at: configuration.wallTime.read()))
        if let headers = observer.traceHeaders { address.trace = headers }
        var logger = logger
        for (key, value) in observer.logMetadata { logger[metadataKey: key] = value }
        logger[metadataKey: "job"] = "\(address.jobID)"
        return HeldRequest(
            delivery: delivery, queue: queue, address: address, broker: broker, configuration: configuration,
            observer: observer, logger: logger)
    }

    /// Reads a request, unless it has been at too many workers.
    private func read(_ request: HeldRequest) -> Result<Job, FailedAttempt> {
        let delivery = request.delivery
        do throws(Status) {
            let job = try Job(delivery, lane: request.lane, limits: configuration.messageLimits)
            let redeliveries = delivery.redeliveries
            guard redeliveries > configuration.maximumRedeliveries else { return .success(job) }
            return .failure(
                FailedAttempt(
                    status: .poisonous(redeliveries), attempt: job.attempt, sequence: job.firstSequence, isLast: true))
        } catch {
            return .failure(FailedAttempt(status: error, attempt: 1, sequence: 0))
        }
    }

    /// Computes on a thread of its own while the job's events go out; also gives the sequence number of the next event.
    private func compute(
        _ job: Job, control: JobControl, of request: HeldRequest
    ) async -> (JobComputation.Outcome, UInt64) {
        let material: Material
        switch await collect(job, control: control, observer: request.observer, logger: request.logger) {
        case .success(let collected): material = collected
        case .failure(let status):
            slots.giveBack()
            control.end(.failed(status, nil))
            return (.failed(status, nil), job.firstSequence)
        }
        let computation = JobComputation(
            job: material.job, files: material.pictures, control: control, personalizer: personalizer,
            configuration: configuration, observer: request.observer, emit: { control.emit($0) })
        // Before the first event.
        let events = control.listen()
        async let sequence = publish(events, of: job, control: control, request: request)
        let outcome = await withTaskCancellationHandler {
            await ComputeThread.run("job \(job.id)") { computation.run() }
        } onCancel: {
            control.ask(.abandon)
        }
        slots.giveBack()
        control.end(outcome)
        return (outcome, await sequence)
    }

    func publish(
        _ events: AsyncStream<PersonalizeEvent.Body>, of job: Job, control: JobControl, request: HeldRequest
    ) async -> UInt64 {
        var sequence = job.firstSequence
        for await body in events {
            let event = PersonalizeEvent(jobID: job.id, sequence: sequence, body: body)
            sequence += 1
            guard case .accepted = body else {
                await request.notify(event)
                continue
            }
            do {
                try await request.reply(event, patience: configuration.replyPatience)
            } catch .unroutable {
                // Nobody waits for this picture, unless another request for it came since.
                control.noteUnreachable()
            } catch {
                request.logger.debug("acceptance not delivered", metadata: ["error": "\(error)"])
            }
        }
        return sequence
    }
}

/// An attempt that ended without a picture.
struct FailedAttempt: Error {
    var status: Status
    /// From 1.
    var attempt: Int
    /// Number of the next event.
    var sequence: UInt64
    /// Whether to try no more, whatever the status says.
    var isLast = false
    /// Whether another request for the same job fails at the same time, and tells operators of it.
    var isRepeat = false
    /// To try again with instead of the request's own body, where some of the work is done.
    var body: [UInt8]?
}

extension Status {
    static func poisonous(_ redeliveries: Int) -> Status {
        Status(
            .internal,
            "\(redeliveries) workers took the job and died or lost the broker; look at their logs before a retry",
            details: [.errorInfo(reason: "REDELIVERED_TOO_OFTEN")])
    }
}
