import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Memory of one or several tensors, immutable once a tensor is handed out, freed with its last owner.
///
/// `@unchecked Sendable`: the memory is written only by the operation that made it, before anything else can see it.
public final class Storage: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let byteCount: Int
    /// Keeps memory that is not ours alive, a mapped file for instance; nil where this object frees `base`.
    private let owner: AnyObject?

    /// Memory of `count` floats, 64-byte aligned, not initialised.
    convenience init(floats count: Int, operation: String) throws(TensorError) {
        try self.init(bytes: count * MemoryLayout<Float>.stride, operation: operation)
    }

    /// Memory of at least `count` bytes, 64-byte aligned, not initialised.
    init(bytes count: Int, operation: String) throws(TensorError) {
        let bytes = max(64, (count + 63) & ~63)
        guard let memory = BufferPool.shared.take(bytes) else {
            throw TensorError(operation, "no memory for a result of \(bytes) bytes", isOutOfMemory: true)
        }
        base = memory
        byteCount = bytes
        owner = nil
    }

    /// Memory that `owner` keeps alive, such as a part of a mapped file.
    init(borrowing base: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject) {
        self.base = base
        self.byteCount = byteCount
        self.owner = owner
    }

    deinit {
        if owner == nil { BufferPool.shared.give(base, byteCount) }
    }
}

/// Freed buffers kept for the next operation of the same size: a sampler asks for the same sizes over and over, and
/// giving megabytes back to the kernel and faulting them in again costs more than the operation itself.
final class BufferPool: Sendable {
    static let shared = BufferPool(limit: 256 << 20)

    /// Buffers by size, as addresses: pointers are not Sendable, and only this type turns them back.
    private struct Shelf {
        var free: [Int: [UInt]] = [:]
        var held = 0
    }

    private let shelf = Mutex(Shelf())
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    func take(_ bytes: Int) -> UnsafeMutableRawPointer? {
        let kept: UInt? = shelf.withLock { shelf in
            guard let buffer = shelf.free[bytes]?.popLast() else { return nil }
            shelf.held -= bytes
            return buffer
        }
        if let kept { return UnsafeMutableRawPointer(bitPattern: kept) }
        var memory: UnsafeMutableRawPointer?
        return posix_memalign(&memory, 64, bytes) == 0 ? memory : nil
    }

    func give(_ buffer: UnsafeMutableRawPointer, _ bytes: Int) {
        guard bytes <= limit else { return free(buffer) }
        let address = UInt(bitPattern: buffer)
        let dropped: [UInt] = shelf.withLock { shelf in
            var dropped: [UInt] = []
            // Sizes of a job that is over must not fill the shelf for ever.
            if shelf.held + bytes > limit {
                dropped = shelf.free.values.flatMap { $0 }
                shelf.free.removeAll(keepingCapacity: true)
                shelf.held = 0
            }
            shelf.free[bytes, default: []].append(address)
            shelf.held += bytes
            return dropped
        }
        for address in dropped { free(UnsafeMutableRawPointer(bitPattern: address)) }
    }
}
