/// Extents of a tensor, outermost first; pictures and latents are `[N, H, W, C]`, token sequences `[N, T, C]`.
///
/// Holds up to eight extents in line, so that no operation allocates for its shapes.
public struct Shape: Sendable, Hashable, ExpressibleByArrayLiteral, CustomStringConvertible {
    /// The most extents that a shape holds.
    public static let maximumRank = 8

    private var extents: InlineArray<8, Int>

    /// Number of extents; 0 is a single number.
    public let rank: Int

    /// Number of elements.
    public let count: Int

    /// Builds a shape of the given extents.
    ///
    /// - Throws: ``TensorError`` where an extent is negative, there are more than eight, or the count overflows.
    public init(_ extents: some Collection<Int>) throws(TensorError) {
        guard extents.count <= Shape.maximumRank else {
            throw TensorError("shape", "\(extents.count) extents; at most \(Shape.maximumRank) are supported")
        }
        var inline = InlineArray<8, Int>(repeating: 1)
        var count = 1
        for (axis, extent) in extents.enumerated() {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            guard extent >= 0, !overflow, product <= Int.max / 16 else {
                throw TensorError("shape", "extents \(Array(extents)) are negative or too large")
            }
            inline[axis] = extent
            count = product
        }
        self.extents = inline
        self.rank = extents.count
        self.count = count
    }

    /// A shape known when the program is written; traps on more than eight or negative extents.
    public init(arrayLiteral elements: Int...) {
        precondition(elements.count <= Shape.maximumRank && elements.allSatisfy { $0 >= 0 })
        extents = InlineArray<8, Int>(repeating: 1)
        rank = elements.count
        var count = 1
        for (axis, extent) in elements.enumerated() {
            extents[axis] = extent
            count *= extent
        }
        self.count = count
    }

    /// The extent of an axis; negative axes count from the end, -1 being the innermost.
    public subscript(axis: Int) -> Int {
        let index = axis < 0 ? axis + rank : axis
        precondition(index >= 0 && index < rank, "axis \(axis) of a shape of rank \(rank)")
        return extents[index]
    }

    /// The extents as an array.
    public var array: [Int] { (0..<rank).map { extents[$0] } }

    /// Elements of all axes but the innermost: the rows of the matrix that the tensor is in memory.
    public var rows: Int { rank == 0 ? 1 : (self[-1] == 0 ? 0 : count / self[-1]) }

    /// Distance in elements between neighbours along each axis of a contiguous tensor.
    public var strides: [Int] {
        var strides = [Int](repeating: 1, count: rank)
        for axis in stride(from: rank - 2, through: 0, by: -1) {
            strides[axis] = strides[axis + 1] * self[axis + 1]
        }
        return strides
    }

    /// The same shape with one extent changed.
    ///
    /// - Throws: ``TensorError`` where the axis does not exist or the count overflows.
    public func replacing(axis: Int, with extent: Int) throws(TensorError) -> Shape {
        var array = array
        let index = axis < 0 ? axis + rank : axis
        guard array.indices.contains(index) else {
            throw TensorError("shape", "axis \(axis) of shape \(self), which has \(rank) axes")
        }
        array[index] = extent
        return try Shape(array)
    }

    public static func == (a: Shape, b: Shape) -> Bool {
        guard a.rank == b.rank else { return false }
        for axis in 0..<a.rank where a.extents[axis] != b.extents[axis] { return false }
        return true
    }

    public func hash(into hasher: inout Hasher) {
        for axis in 0..<rank { hasher.combine(extents[axis]) }
    }

    public var description: String { "[" + array.map(String.init).joined(separator: ", ") + "]" }
}
