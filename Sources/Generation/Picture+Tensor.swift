public import Raster
public import Tensors

extension Picture {
    /// The picture as `[1, H, W, 3]`, 0 to 1.
    ///
    /// - Throws: `TensorError` where memory runs out.
    public func tensor() throws(TensorError) -> Tensor {
        try Tensor(pixels.map { Float($0) / 255 }, shape: [1, height, width, 3])
    }

    /// A picture of `[1, H, W, 3]`, 0 to 1, rounded to bytes.
    ///
    /// - Throws: ``GenerationError`` where the shape is another.
    public init(_ tensor: Tensor) throws(GenerationError) {
        guard tensor.shape.rank == 4, tensor.shape[0] == 1, tensor.shape[3] == 3 else {
            throw GenerationError(.internalFailure, "shape \(tensor.shape) is not a picture [1, H, W, 3]")
        }
        let bytes = tensor.elements.map { UInt8(max(0, min(255, ($0 * 255).rounded(.toNearestOrEven)))) }
        do {
            try self.init(width: tensor.shape[2], height: tensor.shape[1], pixels: bytes)
        } catch {
            throw GenerationError(.internalFailure, "\(error)")
        }
    }
}
