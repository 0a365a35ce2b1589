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

    init(floats: Int, parts: Int, _ operation: String) throws(TensorError) {
        try self.init(bytes: floats * MemoryLayout<Float>.stride, parts: parts, operation)
    }

    /// Valid as long as the scratch memory is kept.
    func part(_ index: Int) -> UnsafeMutableRawPointer { storage.base + index * stride }
}

/// Cuts memory into arrays, each aligned to 64 bytes.
///
/// Without memory it counts: so what is cut and how much that takes are written once, and the arrays lead nowhere.
struct ScratchCursor {
    private let memory: UnsafeMutableRawPointer?
    private(set) var bytes = 0

    init(_ memory: UnsafeMutableRawPointer? = nil) { self.memory = memory }

    mutating func take<Number>(_ count: Int) -> UnsafeMutablePointer<Number> {
        defer { bytes += (count * MemoryLayout<Number>.stride + 63) & ~63 }
        guard let memory else { return UnsafeMutablePointer(bitPattern: 64).unsafelyUnwrapped }
        return (memory + bytes).bindMemory(to: Number.self, capacity: count)
    }
}
