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
        var finished = RecentJobs<Void>(.init(count: 10_000, age: Pool.cancellationLife))
        var counts = WorkerCounts()
    }

    private let contents = Mutex(Contents())
    private let wallTime: WallTime

    init(wallTime: WallTime) {
        self.wallTime = wallTime
    }

    /// Takes a job up; nil and the reason where it was cancelled before.
    func begin(_ id: String) -> (control: JobControl?, cancelReason: String) {
        contents.withLock { contents in
            if let reason = contents.cancelled.note(on: id, at: wallTime.read()) { return (nil, reason) }
            let control = JobControl(jobID: id)
            if contents.isDraining { control.ask(.handOver) }
            contents.running[ObjectIdentifier(control)] = control
            return (control, "")
        }
    }

    /// Notes that a job left; `isAnswered` where its client has a result.
    func end(_ control: JobControl, isAnswered: Bool) {
        contents.withLock { contents in
            contents.running[ObjectIdentifier(control)] = nil
            if isAnswered { contents.finished.note((), on: control.jobID, at: wallTime.read()) }
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
            if contents.finished.note(on: request.jobID, at: now) != nil {
                // What ended because it was cancelled a moment ago has no result that could stand.
                let isCancelled = contents.cancelled.note(on: request.jobID, at: now) != nil
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
