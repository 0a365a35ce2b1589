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
        var onStop: (@Sendable () -> Void)?
    }

    let jobID: String
    let start = ContinuousClock.now
    private let contents = Mutex(Contents())

    init(jobID: String) {
        self.jobID = jobID
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
