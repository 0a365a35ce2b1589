/// Weights of a linear map in bfloat16: packed for our own product where that is the faster one, else those of a 1 x 1
/// convolution, whose compiled kernels are oneDNN's fastest product.
struct NarrowMatrix: Matrix {
    #if arch(x86_64)
        let packed: PackedMatrix?
    #endif
    /// Holds no weights where there is a packed matrix.
    let filter: ConvolutionFilter?
    let shape: Shape
    var precision: Precision { .bfloat16 }

    init(weights: Tensor, on cpu: CPU) throws(TensorError) {
        shape = weights.shape
        #if arch(x86_64)
            packed = cpu.packs(outputs: shape[0], inputs: shape[1]) ? try cpu.packed(weights) : nil
            if packed != nil {
                filter = nil
                return
            }
        #endif
        filter = try ConvolutionFilter(
            weights: try weights.reshaped([weights.shape[0], 1, 1, weights.shape[1]]), .bfloat16)
    }

    fileprivate func convolution(_ operation: String) throws(TensorError) -> ConvolutionFilter {
        guard let filter else { throw TensorError(operation, "the matrix of shape \(shape) is packed") }
        return filter
    }
}

/// Linear maps in bfloat16.
extension CPU {
    func linear(
        _ x: Tensor, _ weights: NarrowMatrix, bias: Tensor?, result: Precision
    ) throws(TensorError) -> Tensor {
        let shape = try x.shape.replacing(axis: -1, with: weights.shape[0])
        guard x.shape.count > 0 else { return try Tensor(repeating: 0, shape: shape) }
        #if arch(x86_64)
            if let packed = weights.packed { return try linear(x, packed, bias: bias, result: result) }
        #endif
        let column = try x.reshaped([1, x.shape.rows, 1, x.shape[-1]])
        return try convolve(column, try weights.convolution("linear"), bias: bias, Window(), result: result).reshaped(
            shape)
    }

    func linearInputGradient(
        _ dy: Tensor, _ weights: NarrowMatrix, result: Precision
    ) throws(TensorError) -> Tensor {
        let shape = try dy.shape.replacing(axis: -1, with: weights.shape[1])
        guard dy.shape.count > 0 else { return try Tensor(repeating: 0, shape: shape) }
        #if arch(x86_64)
            if let packed = weights.packed { return try linearInputGradient(dy, packed, result: result) }
        #endif
        let column = try dy.reshaped([1, dy.shape.rows, 1, dy.shape[-1]])
        let input: Shape = [1, dy.shape.rows, 1, weights.shape[1]]
        return try convolveInputGradient(
            column, try weights.convolution("linear gradient"), Window(), input: input, result: result
        )
        .reshaped(shape)
    }
}
