public import Broker

/// A pool's dead letters: to look at, and to send back to work.
///
/// AMQP has no way to look at a message without taking it. So letters are taken one by one with `get`, held unsettled
/// while the rest is read, and given back at the end. Giving back one before the next is taken would give the same one
/// again. They are given back with `release` (basic.nack), which is no failed delivery to RabbitMQ 4.3; to older ones it
/// is, which is why the queue has a delivery limit that is never reached (``Pool/topology``). Where this process dies on
/// the way, the broker takes all of them back. While letters are held, others do not see them.
public struct DeadLetterQueue: Sendable {
    private let broker: any Broker
    private let pool: Pool

    public init(broker: any Broker, pool: Pool = .standard) {
        self.broker = broker
        self.pool = pool
    }

    /// All letters that match, in the queue's order, without their bodies.
    public func letters(_ filter: DeadLetterFilter = .all) async throws(BrokerError) -> [DeadLetter] {
        var letters: [DeadLetter] = []
        try await forEach { (letter, _) throws(BrokerError) in
            if filter.matches(letter) { letters.append(letter) }
            return .keep
        }
        return letters
    }

    /// The first letter of a job, with the bytes of its request; nil where there is none.
    public func letter(ofJob id: String) async throws(BrokerError) -> (letter: DeadLetter, body: [UInt8])? {
        var found: (DeadLetter, [UInt8])?
        try await forEach { (letter, delivery) throws(BrokerError) in
            guard letter.jobID == id else { return .keep }
            found = (letter, delivery.body)
            return .keepAndStop
        }
        return found
    }

    /// Sends the letters that match back to their lanes, with attempts and deadline reset.
    ///
    /// Each is published and confirmed before it is taken from the dead letters: a crash between the two leaves it in
    /// both places, never in none.
    ///
    /// - Parameters:
    ///   - replyTo: Where the answers go instead of the queue that the client named, which may be gone.
    ///   - progress: Called after each letter sent, with the number so far.
    /// - Returns: The letters sent.
    /// - Throws: `BrokerError`; what is not sent by then stays a dead letter.
    @discardableResult
    public func retry(
        _ filter: DeadLetterFilter, replyTo: String? = nil,
        progress: @Sendable (_ letter: DeadLetter, _ count: Int) -> Void = { _, _ in }
    ) async throws(BrokerError) -> [DeadLetter] {
        var sent: [DeadLetter] = []
        try await forEach { (letter, delivery) throws(BrokerError) in
            // A body that was not even read cannot be sent.
            guard filter.matches(letter), delivery.omittedBodySize == nil else { return .keep }
            var properties = delivery.properties.forRepublishing
            DeadLetterHeader.remove(from: &properties.headers)
            if let replyTo { properties.replyTo = replyTo }
            try await broker.publish(
                OutgoingMessage(properties, body: delivery.body), exchange: pool.workExchange,
                routingKey: letter.lane.rawValue)
            try await broker.acknowledge(delivery)
            sent.append(letter)
            progress(letter, sent.count)
            return .taken
        }
        return sent
    }

    /// What becomes of a letter after a look at it.
    private enum Verdict {
        case keep
        case keepAndStop
        /// Settled already.
        case taken
    }

    /// Takes every letter that is there at the beginning; gives back what is to be kept, also after an error.
    private func forEach(
        _ body: (DeadLetter, Delivery) async throws(BrokerError) -> Verdict
    ) async throws(BrokerError) {
        // Not until the queue is empty: a letter whose retry fails at once comes back here, and would for ever.
        var remaining = try await broker.depth(of: pool.deadLetterQueue).messages
        var held: [Receipt] = []
        do throws(BrokerError) {
            read: while remaining > 0, let delivery = try await broker.get(queue: pool.deadLetterQueue) {
                remaining -= 1
                let verdict: Verdict
                do throws(BrokerError) {
                    verdict = try await body(DeadLetter(delivery), delivery)
                } catch {
                    held.append(delivery.receipt)
                    throw error
                }
                switch verdict {
                case .taken: break
                case .keep: held.append(delivery.receipt)
                case .keepAndStop:
                    held.append(delivery.receipt)
                    break read
                }
            }
        } catch {
            await giveBack(held)
            throw error
        }
        await giveBack(held)
    }

    private func giveBack(_ receipts: [Receipt]) async {
        // A receipt that fails is of a lost connection, and its message is back already.
        for receipt in receipts { try? await broker.release(receipt) }
    }
}
