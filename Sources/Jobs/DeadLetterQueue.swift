public import Broker
public import Logging
public import RectifIDClient

/// A pool's dead letters, or its bin: to look at, to export, and to move.
///
/// AMQP has no way to look at a message without taking it. So letters are taken in portions, held unsettled while the
/// rest is read, and given back at the end. Giving back one before the next is taken would give the same one again.
/// What a look changes, by version of RabbitMQ:
/// - 3.10 to 4.2 count every return (`x-delivery-count`). The queues have a delivery limit that is never reached
///   (``Pool/topology``), so the count decides nothing, and a letter that is sent back to work starts at 0 again.
/// - From 4.3 only failures count, and `release` (basic.nack) is none (RabbitMQ, "Quorum Queues", poison messages).
/// - On all of them returns of a whole round keep their order, as a queue with a delivery limit puts what comes back
///   before what was never taken. Where this process dies on the way, the broker takes all of it back.
///
/// While letters are held others do not see them: two who looked at the same time would each see a part. So a round is
/// taken by one at a time, who holds the exclusive queue ``Pool/deadLetterLock``; it goes with its connection, so a dead
/// operator locks nobody out. Who has no permission to declare that queue goes on without. On one connection, which holds
/// the lock once, only one look or action may be under way. Of what is held only receipts are kept, 16
/// bytes each, and the bodies of one portion.
///
/// A copy of the letters in a stream could be read without taking. But it would keep every body twice and could not forget
/// a letter that was retried: every look would have to take the queue's letters too, to tell which ones are still there.
public struct DeadLetterQueue: Sendable {
    /// Where letters lie.
    public enum Compartment: Sendable, Equatable {
        case letters
        /// What operators discarded, for ``Pool/binRetention``.
        case bin
    }

    let broker: any Broker
    let pool: Pool
    let compartment: Compartment
    /// Who acts, for the audit and on the letters: `user@host`.
    let operatorName: String
    let logger: Logger
    let wallTime: WallTime
    /// How long to wait for another operator's round.
    public var patience = Duration.seconds(120)
    /// How long letters may be held in one round that moves some of them slowly.
    ///
    /// Far below RabbitMQ's consumer timeout (30 minutes by default), after which it would close the channel.
    public var maximumHold = Duration.seconds(60)

    public init(
        broker: any Broker, pool: Pool = .standard, compartment: Compartment = .letters,
        operatorName: String = "unknown", logger: Logger = Logger(label: "dead-letters"),
        wallTime: WallTime = .system
    ) {
        self.broker = broker
        self.pool = pool
        self.compartment = compartment
        self.operatorName = operatorName
        self.logger = logger
        self.wallTime = wallTime
    }

    public var name: String {
        switch compartment {
        case .letters: pool.deadLetterQueue
        case .bin: pool.deadLetterBin
        }
    }

    /// Shows the letters that match, in the queue's order, one at a time.
    ///
    /// - Parameter visit: Called while the letters are held; should not wait for anybody.
    /// - Returns: How many letters there are, matching or not.
    @discardableResult
    public func forEach(
        _ filter: DeadLetterFilter = .all, _ visit: (DeadLetter, DeadLetterBody) async -> Void
    ) async throws(BrokerError) -> Int {
        var count = 0
        try await round { (delivery) throws(BrokerError) in
            count += 1
            if let (letter, body) = Self.read(delivery, filter) { await visit(letter, body) }
            return .keep
        }
        return count
    }

    /// A letter that matches, with its body.
    private static func read(_ delivery: Delivery, _ filter: DeadLetterFilter) -> (DeadLetter, DeadLetterBody)? {
        let letter = DeadLetter(delivery)
        guard filter.matches(letter) else { return nil }
        let body = DeadLetterBody(delivery)
        return filter.matches(letter, body) ? (letter, body) : nil
    }

    /// All letters that match, in the queue's order, without their bodies.
    public func letters(_ filter: DeadLetterFilter = .all) async throws(BrokerError) -> [DeadLetter] {
        var letters: [DeadLetter] = []
        try await forEach(filter) { letter, _ in letters.append(letter) }
        return letters
    }

    /// The letters that match, counted by kind of failure.
    public func groups(_ filter: DeadLetterFilter = .all) async throws(BrokerError) -> [DeadLetterGroup] {
        var tally = DeadLetterGroup.Tally()
        try await forEach(filter) { letter, body in tally.add(letter, body) }
        return tally.groups
    }

    /// The first letter with an id, of a job or its own; nil where there is none.
    public func letter(ofJob id: String) async throws(BrokerError) -> (letter: DeadLetter, body: DeadLetterBody)? {
        var found: (DeadLetter, DeadLetterBody)?
        try await forEach(.jobs([id])) { letter, body in found = found ?? (letter, body) }
        return found
    }

    /// Which letters match now; what comes later is not among them.
    public func select(_ filter: DeadLetterFilter) async throws(BrokerError) -> DeadLetterSelection {
        var selection = DeadLetterSelection(filter)
        try await forEach(filter) { letter, _ in selection.add(letter) }
        return selection
    }
}

/// Taking and giving back.
extension DeadLetterQueue {
    /// What becomes of a message after a look at it.
    enum Verdict {
        case keep
        /// Settled already, or lost with its connection.
        case taken
    }

    /// Takes messages until none is left; gives back what is to be kept, in the order in which it came, also after an
    /// error.
    ///
    /// Always all of them, also where the first is the one and where `body` fails: RabbitMQ puts what comes back behind
    /// what came back before, so that only a whole round leaves the order as it was.
    func round(
        of queue: String? = nil, _ body: (Delivery) async throws(BrokerError) -> Verdict
    ) async throws(BrokerError) {
        let isLocked = try await lock()
        var held: [Receipt] = []
        let result = await Self.result { () throws(BrokerError) in
            try await take(queue ?? name, holding: &held, body)
        }
        // In a task of its own: also what a cancelled task holds must go back, in order.
        await Task { [held] in await broker.release(held, to: queue ?? name) }.value
        if isLocked { await unlock() }
        try result.get()
    }

    private static func result(_ body: () async throws(BrokerError) -> Void) async -> Result<Void, BrokerError> {
        do throws(BrokerError) {
            try await body()
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    /// How many messages to take next: many small ones, large ones one by one.
    private struct Portions {
        /// Bodies of a portion are in memory together.
        static let bytes = 8 << 20
        private static let maximumCount = 4000
        /// Each needs a channel until the end, of which a connection has 2047.
        private static let maximumPortions = 1000

        private(set) var taken = 0
        /// The first is taken alone, to see how large they are.
        private(set) var next = 1
        private var count = 0

        mutating func note(_ deliveries: [Delivery]) {
            taken += deliveries.count
            count += 1
            let largest = deliveries.map { $0.omittedBodySize.map { Int(clamping: $0) } ?? $0.body.count }.max() ?? 0
            next =
                count < Self.maximumPortions ? min(max(Self.bytes / max(largest, 1), 1), Self.maximumCount) : 1
        }
    }

    private func take(
        _ queue: String, holding held: inout [Receipt], _ body: (Delivery) async throws(BrokerError) -> Verdict
    ) async throws(BrokerError) {
        // Not as many as the queue says it has: what was given back a moment ago is not counted yet, though the next
        // `get` sees it. But with an end, however fast new letters come.
        let limit = 100_000 + 2 * (try await broker.depth(of: queue).messages)
        var failure: BrokerError?
        var portions = Portions()
        while portions.taken < limit {
            let deliveries = try await broker.take(queue: queue, atMost: portions.next, bytes: Portions.bytes)
            guard !deliveries.isEmpty else { break }
            portions.note(deliveries)
            for delivery in deliveries {
                guard failure == nil else {
                    held.append(delivery.receipt)
                    continue
                }
                do throws(BrokerError) {
                    if try await body(delivery) == .keep { held.append(delivery.receipt) }
                } catch {
                    held.append(delivery.receipt)
                    failure = error
                }
            }
        }
        if let failure { throw failure }
    }

    /// Waits until no other operator takes letters; false where this one may not declare the queue that says so.
    private func lock() async throws(BrokerError) -> Bool {
        let lock = Topology(queues: [
            Queue(pool.deadLetterLock, kind: .classic, isDurable: false, isExclusive: true)
        ])
        let start = ContinuousClock.now
        var hasSaid = false
        while true {
            do throws(BrokerError) {
                try await broker.declare(lock)
                return true
            } catch {
                switch error {
                case .accessRefused: return false
                case .resourceLocked where start.duration(to: .now) < patience:
                    if !hasSaid { logger.notice("another operator has the letters; waiting") }
                    hasSaid = true
                    do { try await Task.sleep(for: .milliseconds(Int.random(in: 50...250))) } catch {
                        throw BrokerError.cancelled
                    }
                default: throw error
                }
            }
        }
    }

    private func unlock() async {
        await Task { [broker, pool] in try? await broker.delete(queue: pool.deadLetterLock) }.value
    }
}
