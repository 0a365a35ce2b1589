import Synchronization

/// One question to a broker thread and its answer; whoever answers first wins.
final class Call<Value: Sendable>: Sendable {
    typealias Answer = Result<Value, BrokerError>

    private enum State {
        case idle
        case waiting(CheckedContinuation<Answer, Never>)
        case answered(Answer)
    }

    private let state = Mutex(State.idle)

    /// Whether an answer, a time limit or a cancellation has come already.
    var isAnswered: Bool {
        state.withLock { if case .answered = $0 { true } else { false } }
    }

    /// Answers; false when there was an answer before.
    @discardableResult
    func answer(_ answer: Answer) -> Bool {
        let (isFirst, waiting) = state.withLock { state -> (Bool, CheckedContinuation<Answer, Never>?) in
            switch state {
            case .idle:
                state = .answered(answer)
                return (true, nil)
            case .waiting(let continuation):
                state = .answered(answer)
                return (true, continuation)
            case .answered: return (false, nil)
            }
        }
        waiting?.resume(returning: answer)
        return isFirst
    }

    @discardableResult
    func fail(_ error: BrokerError) -> Bool { answer(.failure(error)) }

    /// Asks with `post` and waits for the answer; `post` returns false when nobody is there to answer any more.
    func value(isolation: isolated (any Actor)? = #isolation, post: () -> Bool) async throws(BrokerError) -> Value {
        let answer = await withTaskCancellationHandler {
            await withCheckedContinuation(isolation: isolation) { (continuation: CheckedContinuation<Answer, Never>) in
                let early = state.withLock { state -> Answer? in
                    if case .answered(let answer) = state { return answer }
                    state = .waiting(continuation)
                    return nil
                }
                if let early {
                    continuation.resume(returning: early)
                } else if !post() {
                    fail(.closed)
                }
            }
        } onCancel: {
            fail(.cancelled)
        }
        return try answer.get()
    }
}
