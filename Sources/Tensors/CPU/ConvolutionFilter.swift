internal import Synchronization

/// Weights of a convolution, `[O, kh, kw, I / groups]`, and the orders that compiled kernels want them in.
///
/// A reordered copy is made at the first use and stays as long as the filter, since the weights are frozen. That is one
/// more copy in memory for forward and one for the derivative, of those filters that go through oneDNN.
final class ConvolutionFilter: Filter {
    let weights: Tensor
    var shape: Shape { weights.shape }

    init(weights: Tensor) { self.weights = weights }

    /// Weights of a 1 x 1 kernel as those of a linear map of the channels.
    var asMatrix: BLASMatrix {
        get throws(TensorError) { BLASMatrix(weights: try weights.reshaped([shape[0], shape[3]])) }
    }

    #if arch(x86_64)
        /// Copies with a convolution that wants each; few, since an order follows from channels and processor.
        private let copies = Mutex<[(owner: DirectConvolution, weights: Tensor)]>([])

        /// The weights in the order that `convolution` wants.
        func reordered(for convolution: DirectConvolution, _ operation: String) throws(TensorError) -> Tensor {
            if convolution.takesPlainFilter { return weights }
            let kept = copies.withLock { copies in
                copies.first { $0.owner.ordersFilter(like: convolution) }?.weights
            }
            if let kept { return kept }
            // Outside of the lock: another thread may do the same work, and the first one's is kept.
            let made = try convolution.reorder(weights, operation)
            return copies.withLock { copies in
                if let kept = copies.first(where: { $0.owner.ordersFilter(like: convolution) }) { return kept.weights }
                copies.append((convolution, made))
                return made
            }
        }
    #endif
}
