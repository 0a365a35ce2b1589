import Messages
import Synchronization

/// What others may want of a running job, asked between passes; and how far it has come.
final class JobControl: Sendable {
    /// Why a job should stop, weakest first.
    enum Stop: Sendable, Equatable {
        /// The worker ends or needs the slot: another goes on from here.
        case handOver
        /// Nobody can be told.
        case undeliverable
        /// The client does not want it any more.
        case cancel(reason: String)
        /// The process ends now; the broker will give the job to somebody else.
        case abandon

        fileprivate var rank: Int {
            switch self {
            case .handOver: 0
            case .undeliverable: 1
            case .cancel: 2
            case .abandon: 3
            }
        }
    }

    private struct Contents {
        var stop: Stop?
        var iteration = 0
        var iterations = 0
        /// Who hears of events, and the first of them for those who come later.
        var listeners: [AsyncStream<PersonalizeEvent.Body>.Continuation] = []
        var acceptance: PersonalizeEvent.Body?
        var unreachable = 0
        var outcome: JobComputation.Outcome?
        var waiting: [CheckedContinuation<JobComputation.Outcome, Never>] = []
        var isSettled = false
        var waitingForSettlement: [CheckedContinuation<Void, Never>] = []
        var onStop: (@Sendable () -> Void)?
    }

    let jobID: String
    /// Of what is asked for, see `PersonalizeRequest.fingerprint`.
    let fingerprint: Int
    let start = ContinuousClock.now
    private let contents = Mutex(Contents())

    init(jobID: String, fingerprint: Int) {
        self.jobID = jobID
        self.fingerprint = fingerprint
    }

    /// What was asked for, if anything.
    var stop: Stop? { contents.withLock { $0.stop } }

    /// Asks the job to stop; a stronger reason replaces a weaker one.
    func ask(_ stop: Stop) {
        let onStop = contents.withLock { contents in
            if contents.stop.map({ $0.rank < stop.rank }) ?? true { contents.stop = stop }
            return contents.onStop
        }
        onStop?()
    }

    /// Calls `body` when something is asked for, or now where something was; may call it more than once.
    func onStop(_ body: @escaping @Sendable () -> Void) {
        let isAsked = contents.withLock { contents in
            contents.onStop = body
            return contents.stop != nil
        }
        if isAsked { body() }
    }

    /// Iterations completed, and how many there are in all.
    var progress: (iteration: Int, iterations: Int) { contents.withLock { ($0.iteration, $0.iterations) } }

    func report(iteration: Int, of iterations: Int) {
        contents.withLock { contents in
            contents.iteration = iteration
            contents.iterations = iterations
        }
    }
}

/// Those who wait for a job: the request that it runs for, and requests for the same job that came later.
extension JobControl {
    /// The job's events from now on, the acceptance in any case, until it ends.
    func listen() -> AsyncStream<PersonalizeEvent.Body> {
        // When the broker takes no messages, the oldest progress is dropped, not the job held up.
        let (events, continuation) = AsyncStream.makeStream(
            of: PersonalizeEvent.Body.self, bufferingPolicy: .bufferingNewest(64))
        contents.withLock { contents in
            if let acceptance = contents.acceptance { continuation.yield(acceptance) }
            if contents.outcome == nil { contents.listeners.append(continuation) } else { continuation.finish() }
        }
        return events
    }

    func emit(_ event: PersonalizeEvent.Body) {
        let listeners = contents.withLock { contents in
            if case .accepted = event { contents.acceptance = event }
            return contents.listeners
        }
        for listener in listeners { listener.yield(event) }
    }

    /// Notes that one of those who wait cannot be told; a job that nobody can be told of is not worth its computation.
    func noteUnreachable() {
        let isAlone = contents.withLock { contents in
            contents.unreachable += 1
            return contents.unreachable >= contents.listeners.count
        }
        if isAlone { ask(.undeliverable) }
    }

    /// Ends the job for all who wait.
    func end(_ outcome: JobComputation.Outcome) {
        let (listeners, waiting) = contents.withLock { contents in
            contents.outcome = outcome
            defer { contents.waiting = [] }
            return (contents.listeners, contents.waiting)
        }
        for listener in listeners { listener.finish() }
        for continuation in waiting { continuation.resume(returning: outcome) }
    }

    /// Notes that the request which the job ran for has left.
    func settle() {
        let waiting = contents.withLock { contents in
            contents.isSettled = true
            defer { contents.waitingForSettlement = [] }
            return contents.waitingForSettlement
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Waits until the request which the job runs for has left.
    func settled() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isSettled = contents.withLock { contents in
                if !contents.isSettled { contents.waitingForSettlement.append(continuation) }
                return contents.isSettled
            }
            if isSettled { continuation.resume() }
        }
    }

    /// Whether the computation has ended.
    var isOver: Bool { contents.withLock { $0.outcome != nil } }

    /// Whether the computation has ended without a picture: handed over, given up or failed.
    var isLeaving: Bool {
        contents.withLock { contents in
            switch contents.outcome {
            case .finished?, nil: false
            case .stopped?, .failed?: true
            }
        }
    }

    /// How the job ended; waits for that.
    func outcome() async -> JobComputation.Outcome {
        await withCheckedContinuation { continuation in
            let outcome = contents.withLock { contents -> JobComputation.Outcome? in
                if contents.outcome == nil { contents.waiting.append(continuation) }
                return contents.outcome
            }
            if let outcome { continuation.resume(returning: outcome) }
        }
    }
}
