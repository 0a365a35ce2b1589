/// The most that tensors take from the moment this is made; several may be watched at once, one within another.
public final class MemoryPeak: Sendable {
    private let arena: Arena

    init(_ arena: Arena) {
        self.arena = arena
        arena.beginPeak(ObjectIdentifier(self))
    }

    deinit { arena.endPeak(ObjectIdentifier(self)) }

    /// In bytes, for the whole process, as ``Device/memoryInUse``.
    public var bytes: Int { arena.peak(ObjectIdentifier(self)) }
}
