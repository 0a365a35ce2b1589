/// A subscription to a queue: the sequence of its deliveries.
///
/// The sequence ends after ``cancel()`` or ``Broker/close()``, and throws when the subscription cannot be kept up.
/// Deliveries that nobody has taken yet when their connection is lost are dropped here, since the broker gives them
/// again.
public struct Consumer: AsyncSequence, Sendable {
    public let queue: String
    public let tag: String
    let buffer: DeliveryBuffer
    let onCancel: @Sendable () async -> Void

    /// Ends the subscription; what was taken can still be settled, what was not taken goes back to the queue.
    public func cancel() async { await onCancel() }

    /// Ends the subscription, and gives what was not taken to the caller instead of back to the queue: to RabbitMQ before
    /// 4.3 a message that is given back counts as one that has failed.
    public func cancelAndTakeRest() async -> [Delivery] {
        buffer.keepUntaken()
        await onCancel()
        return buffer.removeAll()
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(buffer: buffer) }

    /// Takes deliveries one by one.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let buffer: DeliveryBuffer

        /// The next delivery; nil after the end and when the calling task is cancelled.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(BrokerError) -> Delivery? {
            try await buffer.next(isolation: actor).get()
        }

        public mutating func next() async throws(BrokerError) -> Delivery? {
            try await buffer.next(isolation: nil).get()
        }
    }
}
