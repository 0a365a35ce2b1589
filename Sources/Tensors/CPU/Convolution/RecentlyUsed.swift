/// A dictionary of at most `capacity` values that forgets the one not asked for the longest.
struct RecentlyUsed<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private var values: [Key: (value: Value, lastUse: UInt64)] = [:]
    private var clock: UInt64 = 0
    let capacity: Int

    init(capacity: Int) { self.capacity = max(1, capacity) }

    var count: Int { values.count }

    mutating func find(_ key: Key) -> Value? {
        guard let index = values.index(forKey: key) else { return nil }
        clock += 1
        values.values[index].lastUse = clock
        return values.values[index].value
    }

    /// Keeps a value; where the key has one already, that one is replaced.
    mutating func keep(_ value: Value, for key: Key) {
        // A walk over all of them, but only where something has just been made at far greater cost.
        if values.count >= capacity, values[key] == nil,
            let oldest = values.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            values[oldest.key] = nil
        }
        clock += 1
        values[key] = (value, clock)
    }
}
