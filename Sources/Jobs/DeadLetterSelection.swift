public import RectifIDClient

/// Dead letters chosen at one look, for an action that touches these and no others.
public struct DeadLetterSelection: Sendable {
    /// One of the letters, as the audit and a report name it.
    public struct Entry: Sendable, Equatable {
        public let letterID: String
        public let jobID: String
        public let lane: Lane
    }

    public let filter: DeadLetterFilter
    /// In the queue's order.
    public private(set) var entries: [Entry] = []
    /// How often each letter is there: a retry whose removal failed leaves equal ones.
    private(set) var counts: [UInt64: Int] = [:]

    init(_ filter: DeadLetterFilter) { self.filter = filter }

    mutating func add(_ letter: DeadLetter) {
        entries.append(Entry(letter))
        counts[letter.fingerprint, default: 0] += 1
    }

    public var count: Int { entries.count }
}

extension DeadLetterSelection.Entry {
    init(_ letter: DeadLetter) {
        self.init(letterID: letter.id, jobID: letter.jobID, lane: letter.lane)
    }
}

/// What an action did.
public struct DeadLetterOutcome: Sendable, Equatable {
    public typealias Entry = DeadLetterSelection.Entry

    /// A letter that stays, and why.
    public struct Failure: Sendable, Equatable {
        public let entry: Entry
        public let reason: String
    }

    /// The letters that went where they should.
    public internal(set) var done: [Entry] = []
    /// The letters that stay, each for a reason of its own.
    public internal(set) var failures: [Failure] = []
    /// Letters that were gone when their turn came: somebody else was faster, or their time in the bin was up.
    public internal(set) var missing = 0
}

/// How an action goes about its letters.
public struct DeadLetterPlan: Sendable {
    /// The least time between two letters, so that a mended service is not run over; nil: as fast as it goes.
    public var pace: Duration?
    /// For a retry: a queue for the answers instead of the one that the client named, which may be gone.
    public var replyTo: String?
    /// Called after each letter done, with the number so far.
    public var progress: @Sendable (_ entry: DeadLetterSelection.Entry, _ count: Int) -> Void = { _, _ in }

    public init(pace: Duration? = nil, replyTo: String? = nil) {
        self.pace = pace
        self.replyTo = replyTo
    }
}
