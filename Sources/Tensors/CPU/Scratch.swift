/// Memory for each thread that an operation is split over.
///
/// Made before the split, which cannot throw where memory runs out.
struct Scratch {
    private let storage: Storage
    private let stride: Int

    /// - Parameter bytes: For each of `parts`; every part is aligned to 64 bytes.
    init(bytes: Int, parts: Int, _ operation: String) throws(TensorError) {
        stride = (bytes + 63) & ~63
        storage = try Storage(bytes: parts * stride, operation: operation)
    }

    /// Valid as long as the scratch memory is kept.
    func part(_ index: Int) -> UnsafeMutableRawPointer { storage.base + index * stride }
}
