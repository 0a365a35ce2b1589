/// How a ``PersonalizationClient`` behaves.
public struct ClientConfiguration: Sendable {
    /// Whom a fair share of the workers is for, such as a service or its customer.
    ///
    /// Jobs of different names do not wait for one another (``WorkQueue``). Sent as `rectifid-client`; nil: shares with all
    /// who say nothing.
    public var clientName: String?
    /// How long after a job's deadline its answer is still waited for; nil: for ever.
    ///
    /// A worker notices the deadline between two iterations and says so a moment later.
    public var deadlineGrace: Duration? = .seconds(5)
    /// How long a full disk, a memory alarm or a lost connection of the broker is waited for when a job is sent; less where
    /// its deadline comes before.
    public var submitTimeLimit: Duration = .seconds(60)
    /// Gets a picture that a worker has left in the shared store, since it was too large for a message ("claim check").
    ///
    /// Without it ``PersonalizationClient/personalize(_:lane:within:jobID:trace:progress:)`` throws
    /// ``ClientError/notFetched(key:reason:)`` for such a result.
    public var fetchPicture: (@Sendable (_ key: String) async throws -> [UInt8])?
    /// Whether to declare the pool's queues when connecting, so that jobs wait for the first worker instead of being
    /// returned; needs configure permission on them.
    public var declaresTopology = false
    /// What the client waits on.
    public var clock: any Clock<Duration> = ContinuousClock()
    /// What deadlines are compared with.
    public var wallTime = WallTime.system

    public init() {}
}
