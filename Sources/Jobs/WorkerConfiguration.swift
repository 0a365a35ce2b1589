public import Messages
public import Raster
public import RectifIDClient

/// How a worker behaves.
public struct WorkerConfiguration: Sendable {
    public var pool = Pool.standard
    /// Unique among the workers of a pool; 1 to 100 characters.
    public var workerID: String
    /// Version of rectifid, for Describe.
    public var version: String
    /// Jobs computed at a time, each on a thread of its own.
    public var slots = 1
    /// Attempts at a job before it becomes a dead letter.
    public var maximumAttempts = 5
    /// Where in the second half of its delay a retry comes, 0 to 1.
    public var retryJitter: @Sendable () -> Double = { .random(in: 0...1) }
    /// How often a job may come back without a word, since its worker or the connection died, before it is taken for the
    /// cause and becomes a dead letter.
    public var maximumRedeliveries = 5
    /// After this time a worker hands a running job back, to stay below the broker's consumer timeout (30 minutes unless
    /// configured), which would close the channel and give the job to somebody else from its beginning.
    public var maximumHold: Duration = .seconds(25 * 60)
    /// How long a queue that was empty is not asked again while others have jobs: so long a client's first job can be
    /// passed over, and so often an empty queue costs a round trip.
    public var emptyQueueRest: Duration = .milliseconds(100)
    /// How long a worker that ends tries to get rid of its jobs once they have stopped computing.
    public var drainGrace: Duration = .milliseconds(1500)
    /// How long a missing reply queue is waited for: its client may be connecting again.
    public var replyPatience: Duration = .seconds(15)
    /// How long a broker that is away or full is waited for before a job is given up to be redelivered.
    public var publishPatience: Duration = .seconds(300)
    /// Whether to declare the pool's topology at the start; without it the worker needs no configure permission on it.
    public var declaresTopology = true
    public var messageLimits = MessageLimits.standard
    public var pictureLimits = PictureLimits.standard
    /// How long, and up to how many bytes of pictures in all, answers are kept to be sent again when a job that has
    /// finished comes again; longer ago, or at another worker, it is computed again, to the same picture.
    public var keptAnswerAge: Duration = .seconds(600)
    public var keptAnswerBytes = 32 << 20
    /// The store for pictures too large for a message; without it they must be in messages.
    public var claimCheck: ClaimCheck?
    /// Longest side of previews, in pixels.
    public var previewSide = 256
    /// What the worker waits on between tries.
    public var clock: any Clock<Duration> = ContinuousClock()
    /// What deadlines are compared with.
    public var wallTime = WallTime.system

    public init(workerID: String, version: String = "") {
        self.workerID = workerID
        self.version = version
    }
}
