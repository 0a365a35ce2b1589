internal import CKernels

/// Weights of a linear map in bfloat16: those of a 1 x 1 convolution, packed for our own product where that is the faster
/// one, else for oneDNN, whose compiled kernels are its fastest product.
struct NarrowMatrix: Matrix {
    let filter: ConvolutionFilter
    var shape: Shape { [filter.shape[0], filter.shape[3]] }
    var precision: Precision { .bfloat16 }

    init(weights: LayerWeights, on cpu: CPU) throws(TensorError) {
        filter = try cpu.convolutionFilter(
            try weights.reshaped([weights.shape[0], 1, 1, weights.shape[1]]), .bfloat16, for: Window())
    }
}

/// Linear maps in bfloat16: a column of pixels through a 1 x 1 convolution.
extension CPU {
    func linear(
        _ x: Tensor, _ weights: NarrowMatrix, bias: Tensor?, result: Precision
    ) throws(TensorError) -> Tensor {
        let shape = try x.shape.replacing(axis: -1, with: weights.shape[0])
        guard x.shape.count > 0 else { return try Tensor(repeating: 0, shape: shape) }
        let column = try x.reshaped([1, x.shape.rows, 1, x.shape[-1]])
        return try convolve(column, weights.filter, bias: bias, Window(), result: result).reshaped(shape)
    }

    func linearInputGradient(
        _ dy: Tensor, _ weights: NarrowMatrix, result: Precision
    ) throws(TensorError) -> Tensor {
        let shape = try dy.shape.replacing(axis: -1, with: weights.shape[1])
        guard dy.shape.count > 0 else { return try Tensor(repeating: 0, shape: shape) }
        let column = try dy.reshaped([1, dy.shape.rows, 1, dy.shape[-1]])
        let input: Shape = [1, dy.shape.rows, 1, weights.shape[1]]
        return try convolveInputGradient(column, weights.filter, Window(), input: input, result: result)
            .reshaped(shape)
    }
}

extension CPU {
    /// Whether the processor has the instructions of our own products in bfloat16.
    static let hasNarrowProduct = rectifid_has_narrow_product()

    /// bfloat16 where the processor multiplies such numbers, which takes half the time or less, float32 elsewhere.
    public static let preferredPrecision: Precision = {
        #if arch(x86_64)
            if hasNarrowProduct || DirectConvolution.multipliesBFloat16 { return .bfloat16 }
        #endif
        return .float32
    }()
}
