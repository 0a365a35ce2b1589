/// What a connection is used for: the protocol logic above frames, confined to the link's thread.
protocol LinkRole: AnyObject, SendableMetatype {
    associatedtype Command: Sendable

    /// Frames to send; the link sends them as the socket takes them.
    var outbox: Outbox { get set }
    /// When ``expire(_:)`` is to be called next.
    var nextDeadline: ContinuousClock.Instant? { get }

    /// A new connection is logged in; channels start from nothing.
    func connected(payloadLimit: Int)
    /// The connection is gone and with it all channels.
    func disconnected(_ error: BrokerError)
    func handle(_ command: Command)
    /// A frame on a channel other than 0.
    func received(_ frame: WireConnection.Frame, on channel: UInt16) throws(BrokerError)
    /// The broker has stopped taking messages, or with nil takes them again.
    func blocked(_ reason: String?)
    /// The outbox is empty and the socket takes more.
    func refillOutbox()
    /// Time limits have passed.
    func expire(_ now: ContinuousClock.Instant)
    /// The link closes: all waiting calls are answered.
    func shutDown()
}
