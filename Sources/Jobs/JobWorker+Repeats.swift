import Broker
import Logging
import Messages
import RectifIDClient

/// Requests with the id of a job that this worker has or had a moment ago: the client has sent it again, or the broker
/// has, after a lost connection.
extension JobWorker {
    /// Waits for the computation of the same job that runs here already, and settles the request as that ends.
    func follow(_ control: JobControl, with job: Job, of request: HeldRequest) async {
        request.logger.info("runs here already: answered together")
        let sequence = await publish(control.listen(), of: job, control: control, request: request)
        let outcome = await control.outcome()
        jobs.leave(control)
        request.observer.began(.settle)
        switch outcome {
        case .stopped(.undeliverable, _):
            // That was about the other client.
            await release(request, attempt: job.attempt)
        case .failed(let status, _) where status.code == .deadlineExceeded && !isLate(job):
            await release(request, attempt: job.attempt)
        case .failed(let status, _):
            await fail(
                request, FailedAttempt(status: status, attempt: job.attempt, sequence: sequence, isRepeat: true))
        default: _ = await settle(request, job: job, control: control, outcome: outcome, sequence: sequence)
        }
    }

    /// Sends the result of a job that has finished a moment ago once more.
    func repeatResult(_ answer: RunningJobs.Answer, to job: Job, of request: HeldRequest) async {
        request.logger.info("answered a moment ago: the same again")
        request.observer.began(.settle)
        let attempt = FailedAttempt(
            status: .ok, attempt: job.attempt, sequence: max(answer.sequence, job.firstSequence))
        _ = await succeed(
            request, job: job, result: answer.result, state: nil, attempt: attempt,
            patience: configuration.replyPatience)
    }

    /// Sends a request away for a while, which is no attempt.
    func postpone(_ job: Job, of request: HeldRequest) async {
        request.observer.began(.settle)
        do {
            try await request.publishForLater()
        } catch {
            return await release(request, attempt: job.attempt)
        }
        await request.acknowledge()
        leave(request, Settlement(.retried, attempt: job.attempt))
    }
}

extension Status {
    /// A job's id stands for one request: another one under it would get a picture that it did not ask for.
    static let reusedID = Status(
        .alreadyExists,
        "message_id: the same job id was used for a different request a moment ago; use an id of its own for each job",
        details: [
            .fieldViolation(
                field: "message_id", problem: "is that of a different request", allowed: "one id for each request"),
            .errorInfo(reason: "JOB_ID_REUSED"),
        ])
}
