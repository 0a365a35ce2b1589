import Synchronization

/// Deliveries between the broker's thread and the task that takes them; bounded by the prefetch.
final class DeliveryBuffer: Sendable {
    typealias Outcome = Result<Delivery?, BrokerError>

    private struct Contents {
        var waiting: [Delivery] = []
        var takers: [UInt64: CheckedContinuation<Outcome, Never>] = [:]
        var order: [UInt64] = []
        var nextTaker: UInt64 = 0
        var end: Outcome?
        /// Whether what nobody has taken stays at the end, for ``removeAll()``.
        var keepsUntaken = false

        mutating func nextWaitingTaker() -> CheckedContinuation<Outcome, Never>? {
            while !order.isEmpty {
                if let taker = takers.removeValue(forKey: order.removeFirst()) { return taker }
            }
            return nil
        }
    }

    private let contents = Mutex(Contents())

    /// Hands a delivery over; false after the end.
    func push(_ delivery: Delivery) -> Bool {
        let taker: CheckedContinuation<Outcome, Never>?
        let accepted: Bool
        (accepted, taker) = contents.withLock { contents in
            guard contents.end == nil else { return (false, nil) }
            if let taker = contents.nextWaitingTaker() { return (true, taker) }
            contents.waiting.append(delivery)
            return (true, nil)
        }
        taker?.resume(returning: .success(delivery))
        return accepted
    }

    /// Forgets deliveries that nobody has taken and returns them.
    @discardableResult
    func removeAll() -> [Delivery] {
        contents.withLock { contents in
            defer { contents.waiting = [] }
            return contents.waiting
        }
    }

    /// Leaves what nobody has taken by the end to whoever ends the sequence.
    func keepUntaken() { contents.withLock { $0.keepsUntaken = true } }

    /// Ends the sequence, with an error where there is one; returns what nobody has taken.
    @discardableResult
    func finish(_ error: BrokerError? = nil) -> [Delivery] {
        let (takers, untaken) = contents.withLock { contents in
            let takers = Array(contents.takers.values)
            let untaken = contents.keepsUntaken ? [] : contents.waiting
            if contents.end == nil { contents.end = error.map { .failure($0) } ?? .success(nil) }
            contents.takers = [:]
            contents.order = []
            if !contents.keepsUntaken { contents.waiting = [] }
            return (takers, untaken)
        }
        for taker in takers { taker.resume(returning: error.map { .failure($0) } ?? .success(nil)) }
        return untaken
    }

    func next(isolation: isolated (any Actor)?) async -> Outcome {
        let id = contents.withLock { contents in
            defer { contents.nextTaker += 1 }
            return contents.nextTaker
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation(isolation: isolation) { continuation in
                let outcome = contents.withLock { contents -> Outcome? in
                    // Checked under the lock: the handler below may have run before the taker was stored.
                    if Task.isCancelled { return .success(nil) }
                    if !contents.waiting.isEmpty { return .success(contents.waiting.removeFirst()) }
                    if let end = contents.end { return end }
                    contents.takers[id] = continuation
                    contents.order.append(id)
                    return nil
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            let taker = contents.withLock { $0.takers.removeValue(forKey: id) }
            taker?.resume(returning: .success(nil))
        }
    }
}
