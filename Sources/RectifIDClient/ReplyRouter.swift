internal import Broker
internal import Messages
import Synchronization

/// Who waits for which reply, by correlation id.
final class ReplyRouter: Sendable {
    /// What a reply is for.
    enum Listener {
        case job(AsyncThrowingStream<PersonalizeEvent, any Error>.Continuation, RepeatedEvents)
        case control(pass: @Sendable (Delivery) -> Void, finish: @Sendable (ClientError) -> Void)

        func finish(throwing error: ClientError) {
            switch self {
            case .job(let continuation, _): continuation.finish(throwing: error)
            case .control(_, let finish): finish(error)
            }
        }
    }

    private struct Contents {
        var listeners: [String: Listener] = [:]
        var end: ClientError?
    }

    private let contents = Mutex(Contents())

    /// - Throws: Why there will be no more replies.
    func listen(_ listener: Listener, for correlation: String) throws(ClientError) {
        let end = contents.withLock { contents -> ClientError? in
            if contents.end == nil { contents.listeners[correlation] = listener }
            return contents.end
        }
        if let end { throw end }
    }

    func forget(_ correlation: String) {
        contents.withLock { _ = $0.listeners.removeValue(forKey: correlation) }
    }

    /// Ends all that waits, now and later, with the first error given.
    func end(_ error: ClientError) {
        let (listeners, error) = contents.withLock { contents in
            defer { contents.listeners = [:] }
            let end = contents.end ?? error
            contents.end = end
            return (Array(contents.listeners.values), end)
        }
        for listener in listeners { listener.finish(throwing: error) }
    }

    func pass(on delivery: Delivery) {
        guard let correlation = delivery.properties.correlationID,
            let listener = contents.withLock({ $0.listeners[correlation] })
        else { return }  // The answer to a question that nobody waits for any more.
        switch listener {
        case .control(let pass, _): pass(delivery)
        case .job(let continuation, _):
            do throws(MessageError) {
                // A result carries a picture, which may be larger than any request.
                let event = try PersonalizeEvent.decode(
                    delivery.body, limits: MessageLimits(maximumBytes: max(delivery.body.count, 1)))
                guard isNew(event, body: delivery.body, for: correlation) else { return }
                continuation.yield(event)
                if event.isFinal { continuation.finish() }
            } catch {
                continuation.finish(throwing: ClientError.badReply(error))
            }
        }
    }

    private func isNew(_ event: PersonalizeEvent, body: [UInt8], for correlation: String) -> Bool {
        // Nothing follows a result, so that it needs no memory of it.
        guard !event.isFinal else { return true }
        return contents.withLock { contents in
            guard case .job(let continuation, var earlier)? = contents.listeners[correlation] else { return false }
            let isNew = earlier.isNew(sequence: event.sequence, body: body)
            contents.listeners[correlation] = .job(continuation, earlier)
            return isNew
        }
    }
}
