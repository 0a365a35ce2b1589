import Broker
import Foundation
import Jobs
import Logging
import Messages
import TinyModel

/// Writes down what becomes of jobs: lines of several processes in one file, each written at once.
///
///     MILLISECONDS PID begin JOB    its guidance begins
///     MILLISECONDS PID done JOB     its result is confirmed and its request acknowledged, as far as a worker can know
struct Journal: WorkerObserver {
    private let descriptor: Int32
    private let broker: WatchedBroker

    init(_ path: String?, broker: WatchedBroker) {
        descriptor = path.map { open($0, O_WRONLY | O_APPEND | O_CREAT, 0o644) } ?? -1
        self.broker = broker
    }

    func took(_ request: TakenRequest) -> any JobObserver {
        broker.noteTaken()
        return Entry(
            jobID: request.jobID, failuresBefore: broker.failedAcknowledgements, journal: self)
    }

    private func note(_ line: String) {
        guard descriptor >= 0 else { return }
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let bytes = Array("\(time.tv_sec * 1000 + time.tv_nsec / 1_000_000) \(getpid()) \(line)\n".utf8)
        _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }

    private struct Entry: JobObserver {
        let jobID: String
        let failuresBefore: Int
        let journal: Journal
        let traceHeaders: [String: HeaderValue]? = nil
        let logMetadata: Logger.Metadata = [:]

        func began(_ phase: JobPhase) {
            if phase == .guidance { journal.note("begin \(jobID)") }
        }

        func ended(_ phase: JobPhase) {}
        func completed(_ pass: CompletedPass) {}
        func computed(_ timings: [Timing]) {}
        func published(_ publication: Publication) {}

        func settled(_ settlement: Settlement) {
            // An acknowledgement that failed meanwhile may have been this job's: then it is not known to be done.
            guard settlement.outcome == .succeeded, journal.broker.failedAcknowledgements == failuresBefore else {
                return
            }
            journal.note("done \(jobID)")
        }
    }
}
