import Broker
import Logging
import RectifIDClient

/// An action under way.
private struct Move {
    var outcome = DeadLetterOutcome()
    /// Letters chosen and not dealt with yet.
    var remaining: [UInt64: Int]
    /// Jobs sent, where once is enough.
    var jobs: Set<String> = []
    /// Letters published whose removal failed with their connection: they come again, only to be removed.
    var published: Set<UInt64> = []
    /// When the next letter may go.
    var turn: ContinuousClock.Instant?
    /// Whether the present round has held its letters long enough.
    var isPaused = false
    var roundStart = ContinuousClock.now

    init(_ selection: DeadLetterSelection) { remaining = selection.counts }

    mutating func beginRound() {
        isPaused = false
        roundStart = .now
    }
}

extension DeadLetterQueue {
    /// Moves the letters of a selection, each published and confirmed before it is removed.
    ///
    /// - Parameters:
    ///   - oncePerJob: Whether of several letters of a job only the first goes.
    ///   - departure: Where a letter goes and as what, or why it stays.
    func move(
        _ selection: DeadLetterSelection, _ action: String, _ plan: DeadLetterPlan, oncePerJob: Bool = false,
        _ departure: (DeadLetter, Delivery) -> Result<Departure, Refusal>
    ) async throws(BrokerError) -> DeadLetterOutcome {
        guard selection.count > 0 else { return DeadLetterOutcome() }
        let audit = DeadLetterAudit(self)
        let record = try await audit.begin(action, selection)
        var move = Move(selection)
        do throws(BrokerError) {
            repeat {
                move.beginRound()
                try await round { (delivery) throws(BrokerError) in
                    try await pass(delivery, plan, oncePerJob: oncePerJob, &move, departure)
                }
            } while move.isPaused && !move.remaining.isEmpty
        } catch {
            await audit.end(record, move.outcome, error: error)
            throw error
        }
        move.outcome.missing = move.remaining.values.reduce(0, +)
        await audit.end(record, move.outcome, error: nil)
        return move.outcome
    }

    /// Deals with one letter of a round.
    private func pass(
        _ delivery: Delivery, _ plan: DeadLetterPlan, oncePerJob: Bool, _ move: inout Move,
        _ departure: (DeadLetter, Delivery) -> Result<Departure, Refusal>
    ) async throws(BrokerError) -> Verdict {
        let letter = DeadLetter(delivery)
        if move.published.contains(letter.fingerprint) {
            try await broker.acknowledge(delivery)
            move.published.remove(letter.fingerprint)
            return .taken
        }
        guard !move.isPaused, let count = move.remaining[letter.fingerprint] else { return .keep }
        move.remaining[letter.fingerprint] = count > 1 ? count - 1 : nil
        let entry = DeadLetterSelection.Entry(letter)
        func stays(_ reason: String) -> Verdict {
            move.outcome.failures.append(.init(entry: entry, reason: reason))
            return .keep
        }
        if let size = delivery.omittedBodySize {
            return stays("its body of \(size) bytes is larger than this connection reads")
        }
        if oncePerJob, let job = delivery.properties.messageID, !move.jobs.insert(job).inserted {
            return stays("another letter of the same job was sent")
        }
        switch departure(letter, delivery) {
        case .failure(let refusal): return stays(refusal.reason)
        case .success(let departure):
            try await waitForTurn(plan, &move)
            do throws(BrokerError) {
                try await departure.publish(to: broker)
            } catch {
                guard error.isOfOneMessage else { throw error }
                return stays("\(error)")
            }
        }
        move.outcome.done.append(entry)
        do throws(BrokerError) {
            try await broker.acknowledge(delivery)
        } catch {
            // The connection went between the two. The broker gives the letter again, to be removed then.
            move.published.insert(letter.fingerprint)
            logger.warning("moved but not removed yet", metadata: ["letter": "\(letter.id)", "error": "\(error)"])
            if !error.isTransient, error != .staleDelivery { throw error }
        }
        plan.progress(entry, move.outcome.done.count)
        // Others, and the broker's patience, want the rest back now and then.
        if move.roundStart.duration(to: .now) > maximumHold { move.isPaused = true }
        return .taken
    }

    private func waitForTurn(_ plan: DeadLetterPlan, _ move: inout Move) async throws(BrokerError) {
        guard let pace = plan.pace else { return }
        if let turn = move.turn {
            do { try await ContinuousClock().sleep(until: turn) } catch { throw .cancelled }
        }
        move.turn = .now + pace
    }
}

extension BrokerError {
    /// Whether only this message cannot be published, and others can.
    fileprivate var isOfOneMessage: Bool {
        switch self {
        case .messageTooLarge, .headerTooLarge, .invalid: true
        default: false
        }
    }
}
