/// An immutable, contiguous, row-major array of float32 or bfloat16 numbers.
///
/// A value: copies share memory. Operations live in `Autodiff`, primitives of a machine behind ``Device``.
public struct Tensor: Sendable {
    /// The extents, outermost first.
    public let shape: Shape
    /// The format of the elements.
    public let precision: Precision
    private(set) var storage: Storage
    /// First element within the storage, in elements.
    let offset: Int

    init(shape: Shape, precision: Precision = .float32, storage: Storage, offset: Int = 0) {
        self.shape = shape
        self.precision = precision
        self.storage = storage
        self.offset = offset
    }

    /// A tensor of the given numbers, row major.
    ///
    /// - Throws: ``TensorError`` where their count is not that of the shape.
    public init(_ elements: [Float], shape: Shape) throws(TensorError) {
        guard elements.count == shape.count else {
            throw TensorError("tensor", "\(elements.count) numbers for shape \(shape), which holds \(shape.count)")
        }
        self = try Tensor.building(shape, "tensor") { out in
            elements.withUnsafeBufferPointer { source in
                if let from = source.baseAddress { out.update(from: from, count: source.count) }
            }
        }
    }

    /// Numbers in memory that `owner` keeps alive and unchanged, a mapped weight file for instance; no copy, so that
    /// processes of one machine share the pages.
    ///
    /// - Throws: ``TensorError`` where the bytes are not those of the shape or not aligned to 4 bytes.
    public init(
        borrowing bytes: UnsafeRawBufferPointer, _ precision: Precision = .float32, shape: Shape, owner: AnyObject
    ) throws(TensorError) {
        guard bytes.count == shape.count * precision.byteCount, let base = bytes.baseAddress,
            Int(bitPattern: base) % MemoryLayout<Float>.alignment == 0
        else { throw TensorError("tensor", "\(bytes.count) bytes, aligned to 4, for shape \(shape)") }
        self.shape = shape
        self.precision = precision
        storage = Storage(borrowing: UnsafeMutableRawPointer(mutating: base), byteCount: bytes.count, owner: owner)
        offset = 0
    }

    /// A single number, shape `[]`.
    public init(_ number: Float) throws(TensorError) { try self.init([number], shape: []) }

    /// A tensor whose elements are all the same number.
    public init(repeating number: Float, shape: Shape) throws(TensorError) {
        self = try Tensor.building(shape, "tensor") { out in out.update(repeating: number, count: shape.count) }
    }

    /// The elements as float32, row major; a copy.
    public var elements: [Float] {
        [Float](unsafeUninitializedCapacity: shape.count) { buffer, count in
            if let base = buffer.baseAddress { copyElements(to: base) }
            count = shape.count
        }
    }

    /// Reads the elements as float32; in place where that is what they are.
    public func withElements<Result, Failure: Error>(
        _ body: (Span<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard precision == .float32 else { return try body(elements.span) }
        return try body(UnsafeBufferPointer(start: pointer, count: shape.count).span)
    }

    /// Reads the bytes of the elements, in the machine's order.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(storage) {} }
        return try body(UnsafeRawBufferPointer(start: bytes, count: shape.count * precision.byteCount))
    }

    /// The only element of a tensor that has one.
    ///
    /// - Throws: ``TensorError`` where there are more or none.
    public func number() throws(TensorError) -> Float {
        guard shape.count == 1 else {
            throw TensorError("number", "shape \(shape) holds \(shape.count) elements, not 1")
        }
        return precision == .float32 ? pointer.pointee : elements[0]
    }

    /// The same elements under another shape; shares memory.
    ///
    /// - Throws: ``TensorError`` where the element counts differ.
    public func reshaped(_ shape: Shape) throws(TensorError) -> Tensor {
        guard shape.count == self.shape.count else {
            throw TensorError.mismatch("reshape", self.shape, shape, "element counts differ")
        }
        return Tensor(shape: shape, precision: precision, storage: storage, offset: offset)
    }

    /// Rows `range` of the outermost axis; shares memory.
    ///
    /// - Throws: ``TensorError`` where the range is not within the axis.
    public func prefix(_ range: Range<Int>) throws(TensorError) -> Tensor {
        guard shape.rank > 0, range.lowerBound >= 0, range.upperBound <= shape[0] else {
            throw TensorError("slice", "range \(range) of the outermost axis of shape \(shape)")
        }
        let stride = shape[0] == 0 ? 0 : shape.count / shape[0]
        return Tensor(
            shape: try shape.replacing(axis: 0, with: range.count), precision: precision, storage: storage,
            offset: offset + range.lowerBound * stride)
    }

    /// Whether nobody else can see or needs the memory, so that it may be written.
    mutating func isMemoryUnshared() -> Bool { storage.isOwned && isKnownUniquelyReferenced(&storage) }

    /// The machine that holds the memory.
    public var device: any Device { CPU.shared }

    /// The elements of a float32 tensor; an operation that takes others widens them first, or asks for `bytes`.
    var pointer: UnsafePointer<Float> {
        precondition(precision == .float32, "a bfloat16 tensor read as float32")
        return UnsafePointer(storage.base.assumingMemoryBound(to: Float.self) + offset)
    }

    /// The elements whatever their format.
    var bytes: UnsafeRawPointer { UnsafeRawPointer(storage.base + offset * precision.byteCount) }

    /// The elements of a bfloat16 tensor.
    var halves: UnsafePointer<UInt16> { bytes.assumingMemoryBound(to: UInt16.self) }

    /// Makes a float32 tensor whose memory `fill` writes whole.
    static func building(
        _ shape: Shape, _ operation: String, _ fill: (UnsafeMutablePointer<Float>) -> Void
    ) throws(TensorError) -> Tensor {
        let storage = try Storage(floats: shape.count, operation: operation)
        fill(storage.base.assumingMemoryBound(to: Float.self))
        return Tensor(shape: shape, storage: storage)
    }

    /// Makes a tensor of either format whose memory `fill` writes whole.
    static func building(
        _ shape: Shape, _ precision: Precision, _ operation: String, _ fill: (UnsafeMutableRawPointer) -> Void
    ) throws(TensorError) -> Tensor {
        let storage = try Storage(bytes: shape.count * precision.byteCount, operation: operation)
        fill(storage.base)
        return Tensor(shape: shape, precision: precision, storage: storage)
    }
}
