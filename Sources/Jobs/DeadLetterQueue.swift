public import Broker
public import RectifIDClient

/// A pool's dead letters: to look at, and to send back to work.
///
/// AMQP has no way to look at a message without taking it. So letters are taken one by one with `get`, held unsettled
/// while the rest is read, and given back at the end. Giving back one before the next is taken would give the same one
/// again. They are given back with `release` (basic.nack), which is no failed delivery to RabbitMQ 4.3; to older ones it
/// is, which is why the queue has a delivery limit that is never reached (``Pool/topology``). Where this process dies on
/// the way, the broker takes all of them back. While letters are held, others do not see them; two who look at the same time
/// each see a part, and the order of the letters can change.
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
            if found == nil, letter.jobID == id { found = (letter, delivery.body) }
            return .keep
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
        var ids: Set<String> = []
        try await forEach { (letter, delivery) throws(BrokerError) in
            // A body that was not even read cannot be sent. And a job that fails again at once comes back here while the
            // rest is still being read: once is enough.
            guard filter.matches(letter), delivery.omittedBodySize == nil, ids.insert(letter.jobID).inserted
            else { return .keep }
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
        /// Settled already.
        case taken
    }

    /// Takes letters until none is left; gives back what is to be kept, in the order in which it came, also after an error.
    ///
    /// Always all of them, also where the first is the one: RabbitMQ puts what comes back behind what came back before, so
    /// that only a whole round leaves the order as it was.
    ///
    /// Not as many as the queue says it has: what was given back a moment ago on this channel is not counted yet, though
    /// the next `get` sees it.
    private func forEach(
        _ body: (DeadLetter, Delivery) async throws(BrokerError) -> Verdict
    ) async throws(BrokerError) {
        var held: [Receipt] = []
        do throws(BrokerError) {
            while let delivery = try await broker.get(queue: pool.deadLetterQueue) {
                let verdict: Verdict
                do throws(BrokerError) {
                    verdict = try await body(DeadLetter(delivery), delivery)
                } catch {
                    held.append(delivery.receipt)
                    throw error
                }
                if verdict == .keep { held.append(delivery.receipt) }
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
