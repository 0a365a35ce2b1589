/// A message in a queue.
struct InMemoryEntry {
    var message: OutgoingMessage
    var exchange: String
    var routingKey: String
    /// Grows with every message of the node: the original position.
    var sequence: UInt64
    var deliveryCount = 0
    var isRedelivered = false
    /// On the node's time line.
    var expiresAt: Duration?
}

/// A queue and what waits in it.
struct InMemoryQueue {
    let declaration: Queue
    let arguments: [String: HeaderValue]
    /// The connection that an exclusive queue belongs to.
    let owner: UInt64?
    var ready = InMemoryLine()
    /// What a stream holds, instead of ``ready``.
    var log = InMemoryLog()
    /// Consumers in turn: the first is served next.
    var consumers: [UInt64] = []
    var hadConsumers = false

    /// Ready messages, or those that a stream holds.
    var count: Int { declaration.kind == .stream ? log.entries.count : ready.count }

    var isFull: Bool {
        if declaration.kind == .stream { return false }
        if let limit = declaration.maximumLength, ready.count >= limit { return true }
        guard let limit = declaration.maximumBytes else { return false }
        return ready.bytes >= limit
    }

    /// Puts messages back that were delivered and not settled, in the order that they had.
    ///
    /// Quorum queues put them at the back, unless a delivery limit protects the others from a message that always fails
    /// (RabbitMQ, "Quorum Queues", repeated requeues); classic queues at their original position.
    mutating func putBack(_ entries: [InMemoryEntry]) {
        let isToTheBack = declaration.kind == .quorum && declaration.deliveryLimit == nil
        // To the front the last first, so that each finds its place there at once.
        for var entry in isToTheBack ? entries : entries.reversed() {
            entry.isRedelivered = true
            if isToTheBack { ready.append(entry) } else { ready.putBack(entry) }
        }
    }
}

/// The messages that wait in a queue, and what they weigh.
struct InMemoryLine {
    private var entries = Fifo<InMemoryEntry>()
    /// Of all bodies.
    private(set) var bytes = 0

    var count: Int { entries.count }
    var first: InMemoryEntry? { entries.first }

    mutating func append(_ entry: InMemoryEntry) {
        entries.append(entry)
        bytes += entry.message.body.count
    }

    @discardableResult
    mutating func removeFirst() -> InMemoryEntry? {
        let entry = entries.removeFirst()
        bytes -= entry?.message.body.count ?? 0
        return entry
    }

    /// Puts a message at its original position.
    ///
    /// What was taken from the front belongs there again: only what came back before it and is older is passed.
    mutating func putBack(_ entry: InMemoryEntry) {
        var older: [InMemoryEntry] = []
        while let first = entries.first, first.sequence < entry.sequence, let passed = entries.removeFirst() {
            older.append(passed)
        }
        entries.prepend(entry)
        for passed in older.reversed() { entries.prepend(passed) }
        bytes += entry.message.body.count
    }

    mutating func removeAll() { self = InMemoryLine() }
}

/// The messages of a stream with their times; they have consecutive offsets.
struct InMemoryLog {
    private(set) var entries: [(entry: InMemoryEntry, time: Duration)] = []
    /// Offset of the first.
    private(set) var start = 0
    private var bytes = 0

    /// The offset that the next message will have.
    var end: Int { start + entries.count }

    subscript(offset: Int) -> InMemoryEntry { entries[offset - start].entry }

    mutating func append(_ entry: InMemoryEntry, at time: Duration, limits: Queue) {
        entries.append((entry, time))
        bytes += entry.message.body.count
        // By segments, as RabbitMQ does, so that a message costs little.
        let segment = max(entries.count / 8, 1)
        let isOld = limits.maximumAge.map { age in entries[segment - 1].time + age < time } ?? false
        guard isOld || limits.maximumBytes.map({ bytes > $0 }) ?? false, entries.count > 1 else { return }
        bytes -= entries.prefix(segment).reduce(0) { $0 + $1.entry.message.body.count }
        entries.removeFirst(segment)
        start += segment
    }

    /// The offset of the first message that is not older than `time`.
    func offset(at time: Duration) -> Int { start + (entries.firstIndex { $0.time >= time } ?? entries.count) }
}

/// A subscription.
struct InMemoryConsumer {
    let id: UInt64
    let connection: UInt64
    let queue: String
    let prefetch: Int
    let buffer: DeliveryBuffer
    /// Of a stream: how far back its reading starts, and the offset that it has come to.
    var age: Duration?
    var position = 0
    /// Changes when the connection is lost, which makes older receipts stale.
    var epoch = Receipt.nextEpoch()
    var unsettled = 0
}

/// A message that was delivered and is not settled.
struct InMemoryUnsettled {
    let entry: InMemoryEntry
    let queue: String
    let connection: UInt64
    let consumer: UInt64?
}

extension InMemoryEntry {
    /// The message as it looks with one more death (RabbitMQ, "Dead Letter Exchanges", effects).
    func dead(in queue: String, reason: String, seconds: Int64) -> OutgoingMessage {
        var message = message
        var deaths = message.properties.headers["x-death"]?.arrayValue ?? []
        var death: [String: HeaderValue] = [
            "count": 1, "reason": .string(reason), "queue": .string(queue), "time": .timestamp(seconds),
            "exchange": .string(exchange), "routing-keys": [.string(routingKey)],
        ]
        if let milliseconds = try? message.properties.expirationText() {
            death["original-expiration"] = .string(milliseconds)
            message.properties.expiration = nil
        }
        let earlier = deaths.firstIndex {
            $0.tableValue?["queue"] == .string(queue) && $0.tableValue?["reason"] == .string(reason)
        }
        if let earlier, var table = deaths.remove(at: earlier).tableValue {
            table["count"] = .int64((table["count"]?.int64Value ?? 0) &+ 1)
            death = table
        }
        deaths.insert(.table(death), at: 0)
        message.properties.headers["x-death"] = .array(deaths)
        if message.properties.headers["x-first-death-queue"] == nil {
            message.properties.headers["x-first-death-queue"] = .string(queue)
            message.properties.headers["x-first-death-reason"] = .string(reason)
            message.properties.headers["x-first-death-exchange"] = .string(exchange)
        }
        message.properties.headers["x-delivery-count"] = nil
        return message
    }
}
