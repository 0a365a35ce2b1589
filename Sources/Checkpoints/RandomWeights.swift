import Tensors

/// Weights that nobody trained, of whatever names and shapes a network asks for: its speed and its memory are those of the
/// real ones, its pictures are noise.
///
/// Matrices and filters are uniform with the deviation 1 / sqrt(inputs), so that features keep their size from layer to
/// layer and no operation sees zeros, infinities or subnormal numbers, which processors treat unlike others.
public struct RandomWeights: Sendable, Hashable {
    public let seed: UInt64

    public init(seed: UInt64 = 0) { self.seed = seed }

    /// The same tensor for the same name and shape.
    func tensor(_ name: String, _ shape: Shape) throws(TensorError) -> Tensor {
        var state = name.utf8.reduce(seed ^ 0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let isScale = shape.rank == 1 && name.hasSuffix(".weight")
        let inputs = shape.rank > 1 && shape[0] > 0 ? shape.count / shape[0] : 400
        let width = (12 / Float(max(1, inputs))).squareRoot(), centre: Float = isScale ? 1 : 0
        let elements = [Float](unsafeUninitializedCapacity: shape.count) { buffer, count in
            for index in 0..<shape.count {
                // SplitMix64 (Steele, Lea and Flood 2014).
                state &+= 0x9e37_79b9_7f4a_7c15
                var bits = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
                bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
                let uniform = Float((bits ^ (bits >> 31)) >> 40) * 0x1p-24
                buffer.initializeElement(at: index, to: centre + width * (uniform - 0.5))
            }
            count = shape.count
        }
        return try Tensor(elements, shape: shape)
    }
}
