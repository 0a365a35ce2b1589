import Messages
import RectifIDClient
import Synchronization

/// The jobs of a worker: those that run, those that were cancelled before they came, those that are done.
final class RunningJobs: Sendable {
    private struct Contents {
        var running: [ObjectIdentifier: JobControl] = [:]
        var isDraining = false
        /// Why each was cancelled.
        var cancelled = RecentJobs<String>(.init(count: 100_000, age: Pool.cancellationLife))
        /// Whether each has a picture.
        var finished = RecentJobs<Bool>(.init(count: 10_000, age: Pool.cancellationLife))
        var answers: RecentJobs<Answer>
        var followers = 0
        var counts = WorkerCounts()
    }

    /// A result that was sent, and the number of its event.
    struct Answer {
        let result: PersonalizeResult
        let sequence: UInt64
        fileprivate let fingerprint: Int
    }

    /// What to do with a job.
    enum Beginning {
        case run(JobControl)
        /// It runs already.
        case follow(JobControl)
        /// Its computation here is over, but what becomes of it is not settled: to be asked again after that.
        case wait(JobControl)
        /// It has finished a moment ago.
        case repeated(Answer)
        case cancelled(reason: String)
        /// Its id is that of another request.
        case reusedID
        /// It runs already and enough requests wait for such jobs: holding more would keep others away.
        case crowded
    }

    /// Requests that wait for jobs which run already.
    static let maximumFollowers = 4

    private let contents: Mutex<Contents>
    private let wallTime: WallTime

    init(_ configuration: WorkerConfiguration) {
        wallTime = configuration.wallTime
        contents = Mutex(
            Contents(
                answers: RecentJobs(
                    .init(count: 10_000, bytes: configuration.keptAnswerBytes, age: configuration.keptAnswerAge))))
    }

    /// Takes a job up, if that is what is to be done.
    func begin(_ job: Job) -> Beginning {
        let (id, fingerprint) = (job.id, job.request.fingerprint)
        return contents.withLock { contents in
            let now = wallTime.read()
            if let reason = contents.cancelled.note(on: id, at: now) { return .cancelled(reason: reason) }
            // One that leaves is about to be sent on, or was: what comes now may be the very request it was sent on with.
            if let running = contents.running.values.first(where: { $0.jobID == id && !$0.isLeaving }) {
                guard running.fingerprint == fingerprint else { return .reusedID }
                // What it has published of itself comes back before it is settled.
                if running.isOver { return .wait(running) }
                guard contents.followers < Self.maximumFollowers else { return .crowded }
                contents.followers += 1
                return .follow(running)
            }
            if let answer = contents.answers.note(on: id, at: now) {
                return answer.fingerprint == fingerprint ? .repeated(answer) : .reusedID
            }
            let control = JobControl(jobID: id, fingerprint: fingerprint)
            if contents.isDraining { control.ask(.handOver) }
            contents.running[ObjectIdentifier(control)] = control
            return .run(control)
        }
    }

    /// A job that computes, if any does.
    var computing: JobControl? { contents.withLock { $0.running.values.first { !$0.isOver } } }

    /// Notes that a request does not wait for a running job any more.
    func leave(_ control: JobControl) {
        contents.withLock { $0.followers -= 1 }
    }

    /// Notes that a job left.
    ///
    /// - Parameter sequence: Of its last event.
    func end(_ control: JobControl, _ ending: JobWorker.Ending, sequence: UInt64) {
        defer { control.settle() }
        contents.withLock { contents in
            contents.running[ObjectIdentifier(control)] = nil
            if case .left = ending { return }
            let now = wallTime.read()
            // Only pictures: what has failed can be sent again, put right or to another fate.
            guard case .succeeded(let result) = ending else {
                return contents.finished.note(false, on: control.jobID, at: now)
            }
            contents.finished.note(true, on: control.jobID, at: now)
            contents.answers.note(
                Answer(result: result, sequence: sequence, fingerprint: control.fingerprint), bytes: result.size,
                on: control.jobID, at: now)
        }
    }

    /// Asks all running jobs, and those that are just beginning, to be handed over.
    func drain() {
        contents.withLock { contents in
            contents.isDraining = true
            for control in contents.running.values { control.ask(.handOver) }
        }
    }

    /// Cancels a job, and says what that means for it.
    func cancel(_ request: CancelRequest) -> (outcome: CancelOutcome, iteration: Int) {
        contents.withLock { contents in
            let now = wallTime.read()
            let matching = contents.running.values.filter { $0.jobID == request.jobID }
            for control in matching { control.ask(.cancel(reason: request.reason)) }
            // Also while it runs: after a crash or a retry it may come again.
            if let running = matching.first {
                contents.cancelled.note(request.reason, on: request.jobID, at: now)
                return (.stopping, running.progress.iteration)
            }
            if let hasPicture = contents.finished.note(on: request.jobID, at: now) {
                // What ended because it was cancelled a moment ago has no result that could stand.
                let isCancelled = contents.cancelled.note(on: request.jobID, at: now) != nil
                // What has failed may be sent to work again from the dead letters.
                if !hasPicture { contents.cancelled.note(request.reason, on: request.jobID, at: now) }
                return (isCancelled ? .stopping : .finished, 0)
            }
            contents.cancelled.note(request.reason, on: request.jobID, at: now)
            return (.noted, 0)
        }
    }

    func count(_ change: (inout WorkerCounts) -> Void) {
        contents.withLock { change(&$0.counts) }
    }

    var counts: WorkerCounts { contents.withLock { $0.counts } }

    /// As Describe tells them.
    var descriptions: [RunningJob] {
        contents.withLock { Array($0.running.values) }.map { control in
            let (iteration, iterations) = control.progress
            return RunningJob(
                jobID: control.jobID, iteration: iteration, iterations: iterations,
                seconds: control.start.duration(to: .now).inSeconds)
        }
    }
}

extension PersonalizeResult {
    /// About what it takes in memory.
    fileprivate var size: Int {
        guard case .image(let bytes)? = picture?.content else { return 1000 + 4 * losses.count }
        return 1000 + 4 * losses.count + bytes.count
    }
}
