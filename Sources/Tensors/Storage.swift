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
        guard let memory = Arena.shared.take(bytes) else {
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
        Arena.shared.lend(byteCount)
    }

    /// Whether it is memory of tensors alone, no mapped file for instance.
    var isOwned: Bool { owner == nil }

    deinit {
        if owner == nil { Arena.shared.give(base, byteCount) } else { Arena.shared.lend(-byteCount) }
    }
}
