public import Messages

/// A job under way, as its client sees it: the sequence of its events, which ends with the result.
///
/// Events can repeat after a worker died; the later one stands.
public struct Submission: AsyncSequence, Sendable {
    public typealias Element = PersonalizeEvent

    public let jobID: String
    let events: AsyncThrowingStream<PersonalizeEvent, any Error>

    public struct AsyncIterator: AsyncIteratorProtocol {
        var events: AsyncThrowingStream<PersonalizeEvent, any Error>.AsyncIterator

        /// - Throws: ``ClientError``.
        public mutating func next() async throws -> PersonalizeEvent? { try await events.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(events: events.makeAsyncIterator()) }

    /// Waits for the result, whatever its status.
    /// - Throws: ``ClientError``, `CancellationError`.
    public func result() async throws -> PersonalizeResult {
        for try await event in self {
            if case .result(let result) = event.body { return result }
        }
        try Task.checkCancellation()
        throw ClientError.closed
    }
}
