import Broker
import Logging
import Messages
import RectifIDClient

extension JobWorker {
    /// What its client has when a request has left.
    enum Ending {
        /// Nothing final: the job goes on, here or elsewhere, or somebody has to look at it.
        case left
        /// Why there is no picture.
        case answered
        case succeeded(PersonalizeResult)
    }

    /// Settles a request as its computation ended.
    func settle(
        _ request: HeldRequest, job: Job, control: JobControl, outcome: JobComputation.Outcome, sequence: UInt64
    ) async -> Ending {
        let attempt = FailedAttempt(status: .ok, attempt: job.attempt, sequence: sequence)
        switch outcome {
        case .finished(let result, let state):
            let patience = control.stop == .undeliverable ? .zero : configuration.replyPatience
            return await succeed(request, job: job, result: result, state: state, attempt: attempt, patience: patience)
        case .stopped(.undeliverable, let state):
            await bury(request, job: job, status: .undeliverable(request.address), state: state, attempt: attempt)
            return .left
        case .stopped(.abandon, _):
            await release(request, attempt: job.attempt)
            return .left
        case .stopped(_, let state):
            await handOver(request, job: job, state: state, sequence: sequence)
            return .left
        case .failed(let status, _):
            var attempt = attempt
            attempt.status = status
            return await fail(request, attempt)
        }
    }

    /// Replies with the picture, then acknowledges the request: in this order, confirmed, so that no result is lost.
    func succeed(
        _ request: HeldRequest, job: Job, result: PersonalizeResult, state: ResumeState?, attempt: FailedAttempt,
        patience: Duration
    ) async -> Ending {
        let deposited: PersonalizeResult
        do throws(Status) { deposited = try await request.deposit(result) } catch {
            return await fail(request, await unfinished(attempt, error, of: request, job: job, state: state))
        }
        let event = PersonalizeEvent(jobID: job.id, sequence: attempt.sequence, body: .result(deposited))
        do {
            try await request.reply(event, patience: patience)
        } catch .unroutable {
            await bury(request, job: job, status: .undeliverable(request.address), state: state, attempt: attempt)
            return .left
        } catch {
            guard !error.isTransient, error != .cancelled, error != .closed else {
                request.logger.error("result not delivered", metadata: ["error": "\(error)"])
                await release(request, attempt: job.attempt)
                return .left
            }
            var attempt = attempt
            attempt.status = .unsendable(error, hasStore: configuration.claimCheck != nil)
            return await fail(request, attempt)
        }
        await request.acknowledge()
        await request.discardState(of: job.request)
        leave(request, Settlement(.succeeded, attempt: job.attempt, similarity: result.similarity))
        request.logger.info(
            "finished",
            metadata: [
                "similarity": "\(result.similarity?.after ?? 0)", "iterations": "\(result.losses.count)",
                "bytes": "\(result.encodedPictureSize)",
            ])
        return .succeeded(deposited)
    }

    /// Sends the request back to its lane with its state; being interrupted is no attempt.
    private func handOver(_ request: HeldRequest, job: Job, state: ResumeState?, sequence: UInt64) async {
        // Nothing was done here: the request can go back as it came, with its place in the queue.
        guard var state, state.nextIteration > job.request.resume?.nextIteration ?? 0 else {
            return await release(request, attempt: job.attempt)
        }
        state.nextSequence = sequence
        state.interruptions += 1
        do {
            try await request.publishForResumption(job.request, from: state)
        } catch {
            request.logger.warning("not handed over, starts again elsewhere", metadata: ["error": "\(error)"])
            return await release(request, attempt: job.attempt)
        }
        await request.acknowledge()
        leave(request, Settlement(.handedOver, attempt: job.attempt))
        request.logger.info("handed over", metadata: ["iteration": "\(state.nextIteration)"])
    }

    /// Ends an attempt without a picture: another attempt later, or an answer and, where somebody should look at it, a
    /// dead letter.
    @discardableResult
    func fail(_ request: HeldRequest, _ failure: FailedAttempt) async -> Ending {
        let status = failure.status
        request.logger.warning(
            "failed", metadata: ["code": "\(status.code.name)", "reason": "\(status.message)"])
        if status.isRetryable, !failure.isLast, failure.attempt < configuration.maximumAttempts {
            if let late = latenessOfRetry(request, failure) {
                return await fail(
                    request, FailedAttempt(status: late, attempt: failure.attempt, sequence: failure.sequence))
            }
            await retry(request, failure)
            return .left
        }
        guard await answer(request, failure) else {
            await release(request, code: status.code, attempt: failure.attempt)
            return .left
        }
        // What its client has stopped, or no time is left for, is nothing to look into.
        let isWorthALook =
            status.code != .cancelled && status.code != .deadlineExceeded && !failure.isRepeat
        if isWorthALook,
            !(await publishAsDeadLetter(request, status, attempts: failure.attempt, body: failure.body))
        {
            return .answered
        }
        await request.acknowledge()
        leave(
            request,
            Settlement(.failed, code: status.code, isDeadLettered: isWorthALook, attempt: failure.attempt))
        return .answered
    }

    private func retry(_ request: HeldRequest, _ failure: FailedAttempt) async {
        do {
            try await request.publishForRetry(
                afterAttempt: failure.attempt, status: failure.status, nextSequence: failure.sequence,
                body: failure.body)
        } catch {
            request.logger.error("not sent to wait for a retry", metadata: ["error": "\(error)"])
            return await release(request, code: failure.status.code, attempt: failure.attempt)
        }
        await request.acknowledge()
        leave(request, Settlement(.retried, code: failure.status.code, attempt: failure.attempt))
    }

    /// What to answer instead of a retry that would come after the deadline.
    private func latenessOfRetry(_ request: HeldRequest, _ failure: FailedAttempt) -> Status? {
        guard let deadline = request.delivery.properties.headers[Wire.Header.deadline]?.int64Value else { return nil }
        let delay = configuration.pool.retryDelay(
            afterAttempt: failure.attempt, atLeast: failure.status.retryDelay
        ).milliseconds
        guard configuration.wallTime.read() + delay >= deadline else { return nil }
        return Status(
            .deadlineExceeded, "no time is left for another attempt; the last one failed: \(failure.status)")
    }

    /// Tells the client why there is no picture; false where that must be tried again later.
    private func answer(_ request: HeldRequest, _ failure: FailedAttempt) async -> Bool {
        let result = PersonalizeResult(
            status: failure.status, workerID: configuration.workerID, attempt: failure.attempt)
        let event = PersonalizeEvent(
            jobID: request.address.jobID, sequence: failure.sequence, body: .result(result))
        do {
            try await request.reply(event, patience: configuration.replyPatience)
        } catch {
            request.logger.warning("failure not delivered", metadata: ["error": "\(error)"])
            return !error.isTransient && error != .cancelled && error != .closed
        }
        return true
    }

    /// A failure after the last pass: with the state, so that another attempt needs that pass alone.
    private func unfinished(
        _ attempt: FailedAttempt, _ status: Status, of request: HeldRequest, job: Job, state: ResumeState?
    ) async -> FailedAttempt {
        var attempt = attempt
        attempt.status = status
        guard var state else { return attempt }
        state.nextSequence = attempt.sequence
        attempt.body = await request.resumableBody(job.request, from: state)
        return attempt
    }

    /// Keeps a job whose result nobody can be given: as a dead letter with its state, so that a retry needs one pass.
    private func bury(
        _ request: HeldRequest, job: Job, status: Status, state: ResumeState?, attempt: FailedAttempt
    ) async {
        var body: [UInt8]?
        if var state {
            state.nextSequence = attempt.sequence
            body = await request.resumableBody(job.request, from: state)
        }
        request.logger.warning("undeliverable", metadata: ["reason": "\(status.message)"])
        guard await publishAsDeadLetter(request, status, attempts: job.attempt, body: body) else { return }
        await request.acknowledge()
        leave(request, Settlement(.failed, code: status.code, isDeadLettered: true, attempt: job.attempt))
    }

    /// Writes a dead letter; where that cannot be done the request is settled in another way, and the answer is false.
    private func publishAsDeadLetter(
        _ request: HeldRequest, _ status: Status, attempts: Int, body: [UInt8]? = nil
    ) async -> Bool {
        do {
            try await request.publishAsDeadLetter(status, attempts: attempts, body: body)
            return true
        } catch {
            request.logger.error("dead letter not written", metadata: ["error": "\(error)"])
            // Headers so long that ours do not fit, or the like: the broker can still move the message itself.
            if error.isTransient || error == .cancelled || error == .closed {
                await release(request, code: status.code, attempt: attempts)
            } else {
                await request.reject()
                leave(request, Settlement(.failed, code: status.code, isDeadLettered: true, attempt: attempts))
            }
            return false
        }
    }

    /// Answers a request whose body was not even kept; the broker moves it to the dead letters itself.
    func refuseOversized(_ request: HeldRequest) async {
        let size = request.delivery.omittedBodySize ?? 0
        let status = Status.property(
            "body", "has \(size) bytes", allowed: "at most \(configuration.messageLimits.maximumBytes) bytes")
        guard await answer(request, FailedAttempt(status: status, attempt: 1, sequence: 0)) else {
            return await release(request, code: status.code, attempt: 1)
        }
        await request.reject()
        leave(request, Settlement(.failed, code: status.code, isDeadLettered: true))
    }

    func release(_ request: HeldRequest, code: StatusCode = .ok, attempt: Int) async {
        await request.release()
        leave(request, Settlement(.released, code: code, attempt: attempt))
    }

    /// Counts a request that has left this worker; every way of settling one ends here.
    func leave(_ request: HeldRequest, _ settlement: Settlement) {
        jobs.count { $0.add(settlement) }
        request.observer.ended(.settle)
        request.observer.settled(settlement)
    }
}

extension Status {
    /// How long to wait at least before another attempt, where the failure says so (google.rpc.RetryInfo).
    var retryDelay: Duration {
        let delays = details.map { detail -> UInt64 in
            if case .retryInfo(let milliseconds) = detail { milliseconds } else { 0 }
        }
        return .milliseconds(Int64(clamping: delays.max() ?? 0))
    }

    static func unsendable(_ error: BrokerError, hasStore: Bool) -> Status {
        let advice =
            if case .messageTooLarge = error, !hasStore {
                "; ask for a smaller picture or for JPEG, or start the workers with --store"
            } else { "" }
        return Status(.internal, "the result could not be sent: \(error)\(advice)", isRetryable: false)
    }

    static func undeliverable(_ address: ReplyAddress) -> Status {
        Status(
            .unavailable,
            "reply undeliverable: there is no queue '\(address.queue ?? "")'; retry when its client is back",
            details: [.errorInfo(reason: "REPLY_UNDELIVERABLE")])
    }
}

extension PersonalizeResult {
    /// For logs.
    fileprivate var encodedPictureSize: Int {
        guard case .image(let bytes)? = picture?.content else { return 0 }
        return bytes.count
    }
}
