/// Publishes of one channel that wait for their confirm, by delivery tag.
///
/// In confirm mode the broker counts the publishes of a channel from 1 and answers with these numbers, in any order and,
/// with `multiple`, for all up to one (RabbitMQ documentation, "Publisher Confirms").
struct ConfirmLedger<Entry> {
    private var entries: [UInt64: Entry] = [:]
    /// No entry has a lower tag; keeps `multiple` linear over the ledger's life.
    private var lowest: UInt64 = 1
    private var nextTag: UInt64 = 1

    var isEmpty: Bool { entries.isEmpty }
    var count: Int { entries.count }

    /// The entry that waits under a tag.
    subscript(tag: UInt64) -> Entry? { entries[tag] }

    /// Notes a publish and returns its tag.
    mutating func append(_ entry: Entry) -> UInt64 {
        defer { nextTag += 1 }
        entries[nextTag] = entry
        return nextTag
    }

    /// Takes out what a confirm settles, in the order of publishing; tags never given or settled before are ignored.
    mutating func settle(_ tag: UInt64, multiple: Bool) -> [Entry] {
        guard multiple else {
            return entries.removeValue(forKey: tag).map { [$0] } ?? []
        }
        // Tag 0 with `multiple` means all so far (AMQP 0-9-1, basic.ack).
        let last = tag == 0 ? nextTag - 1 : min(tag, nextTag - 1)
        var settled: [Entry] = []
        while lowest <= last {
            if let entry = entries.removeValue(forKey: lowest) { settled.append(entry) }
            lowest += 1
        }
        return settled
    }

    /// Takes out everything, in the order of publishing, and counts from 1 again: for a new channel.
    mutating func drain() -> [Entry] {
        let all = entries.sorted { $0.key < $1.key }.map(\.value)
        self = ConfirmLedger()
        return all
    }

    /// The entries in no particular order.
    var all: some Collection<Entry> { entries.values }
}
