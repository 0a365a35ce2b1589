public import Messages

/// A job under way, as its client sees it: the sequence of its events, which ends with the result.
///
/// To be read once. Copies of an event are left out. After a worker died, another begins again: then an accepted event comes again, and
/// what follows it replaces what came before.
public struct Submission: AsyncSequence, Sendable {
    public typealias Element = PersonalizeEvent
    public typealias Failure = ClientError

    public let jobID: String
    let replies: Replies<PersonalizeEvent>

    public func makeAsyncIterator() -> Replies<PersonalizeEvent>.AsyncIterator { replies.makeAsyncIterator() }

    /// Waits for the result, whatever its status.
    /// - Throws: ``ClientError``: `.deadlineExceeded` where none came in time, `.cancelled`, `.closed`.
    public func result() async throws(ClientError) -> PersonalizeResult {
        var events = makeAsyncIterator()
        while let event = try await events.next() {
            if case .result(let result) = event.body { return result }
        }
        throw .closed
    }
}

/// Answers as they come.
public struct Replies<Reply: Sendable>: AsyncSequence, Sendable {
    public typealias Element = Reply
    public typealias Failure = ClientError

    let stream: AsyncThrowingStream<Reply, any Error>

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: stream.makeAsyncIterator()) }

    /// Takes answers one by one.
    public struct AsyncIterator: AsyncIteratorProtocol {
        var stream: AsyncThrowingStream<Reply, any Error>.AsyncIterator

        /// The next answer; nil after the last.
        /// - Throws: ``ClientError``; `.cancelled` where the calling task is, since no end would be meant by a nil.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(ClientError) -> Reply? {
            do {
                if let reply = try await stream.next(isolation: actor) { return reply }
            } catch let error as ClientError {
                throw error
            } catch {
                throw .cancelled
            }
            if Task.isCancelled { throw .cancelled }
            return nil
        }

        public mutating func next() async throws(ClientError) -> Reply? {
            try await next(isolation: nil)
        }
    }
}
