public import Tensors

/// The noise x_0 that a seed stands for.
public enum InitialNoise {
    /// The most elements a latent may have: 4096 x 4096 pixels at 8 pixels a cell come to 2^20.
    static let maximumCount = 1 << 26

    /// Standard normal noise of shape [1, H, W, C], equal to `torch.randn([1, C, H, W])` of a CPU generator.
    ///
    /// PyTorch draws the numbers channel by channel; here channels are innermost, so they are put in their places.
    ///
    /// - Parameters:
    ///   - seed: See ``TorchGenerator/init(seed:)``.
    ///   - height: Rows of the latent, an eighth of the picture's.
    ///   - width: Columns of the latent.
    ///   - channels: Channels of the latent.
    /// - Throws: `TensorError` where an extent is not positive or the latent is too large.
    public static func latent(
        seed: UInt64, height: Int, width: Int, channels: Int = 4
    ) throws(TensorError) -> Tensor {
        let shape = try Shape([1, height, width, channels])
        guard shape.count > 0, shape.count <= maximumCount else {
            throw TensorError("initial noise", "shape \(shape); 1 to \(maximumCount) elements are supported")
        }
        var generator = TorchGenerator(seed: seed)
        let drawn = generator.normals(shape.count)
        let cells = height * width
        var placed: [Float] = []
        placed.reserveCapacity(drawn.count)
        for cell in 0..<cells {
            for channel in 0..<channels { placed.append(drawn[channel * cells + cell]) }
        }
        return try Tensor(placed, shape: shape)
    }
}
