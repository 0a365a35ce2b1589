import RectifIDClient

/// Notes on jobs, by id, for a while: at most so many, so heavy and so old; the oldest are forgotten first.
///
/// Who never hears of a job's end must not remember it for ever.
struct RecentJobs<Note> {
    struct Limits {
        var count: Int
        var bytes = Int.max
        var age: Duration
    }

    private struct Entry {
        let note: Note
        let bytes: Int
        let time: UnixMilliseconds
        /// Which of the notes on this job it is.
        let number: UInt64
    }

    let limits: Limits
    private var entries: [String: Entry] = [:]
    /// Ids in the order of their notes.
    private var order = Ring<(id: String, number: UInt64)>()
    private var nextNumber: UInt64 = 0
    private(set) var bytes = 0

    init(_ limits: Limits) {
        self.limits = limits
    }

    var count: Int { entries.count }

    /// Places in the order, those of replaced notes included.
    var remembered: Int { order.count }

    /// The latest note on a job, where it is not too old.
    func note(on id: String, at now: UnixMilliseconds) -> Note? {
        guard let entry = entries[id], now - entry.time <= limits.age.milliseconds else { return nil }
        return entry.note
    }

    /// Replaces the note on a job; one that is too heavy alone is not kept.
    mutating func note(_ note: Note, bytes size: Int = 0, on id: String, at now: UnixMilliseconds) {
        forget(id)
        if size <= limits.bytes {
            entries[id] = Entry(note: note, bytes: size, time: now, number: nextNumber)
            order.append((id, nextNumber))
            nextNumber += 1
            bytes += size
        }
        while let oldest = order.first, isToForget(oldest, at: now) {
            if entries[oldest.id]?.number == oldest.number { forget(oldest.id) }
            order.removeFirst()
        }
        // What was replaced or forgotten leaves the order in bulk, so that it costs little per job.
        if order.count > 64, order.count > 2 * entries.count {
            order.removeAll { [entries] in entries[$0.id]?.number != $0.number }
        }
    }

    mutating func forget(_ id: String) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        bytes -= entry.bytes
    }

    private func isToForget(_ oldest: (id: String, number: UInt64), at now: UnixMilliseconds) -> Bool {
        guard let entry = entries[oldest.id], entry.number == oldest.number else { return true }
        return entries.count > limits.count || bytes > limits.bytes || now - entry.time > limits.age.milliseconds
    }
}
