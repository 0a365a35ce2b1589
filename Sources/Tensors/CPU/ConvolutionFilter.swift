internal import Synchronization

/// Weights of a convolution, `[O, kh, kw, I / groups]`, and the orders that compiled kernels want them in.
///
/// A reordered copy is made at the first use and stays as long as the filter, since the weights are frozen. That is one
/// copy for forward and one for the derivative, of those filters that go through oneDNN. In float32 the plain order stays
/// beside them, since matrix products use it; in bfloat16 it goes as soon as there is another, because two copies of a
/// large network are already half of what a machine may have.
final class ConvolutionFilter: Filter {
    let shape: Shape
    let precision: Precision

    fileprivate struct Copies {
        var plain: Tensor?
        #if arch(x86_64)
            /// Each with a convolution that wants it; few, since an order follows from channels and processor.
            var ordered: [(owner: DirectConvolution, weights: Tensor)] = []
        #endif
    }

    private let copies: Mutex<Copies>
    #if arch(x86_64)
        /// Weights in the order of our own products, for one window alone.
        enum Few: Sendable {
            case winograd(WinogradFilter)
            /// Of a 1 x 1 kernel.
            case packed(PackedMatrix)
        }

        private let few: Few?
    #endif

    init(weights: LayerWeights, _ precision: Precision = .float32) throws(TensorError) {
        shape = weights.shape
        self.precision = precision
        copies = Mutex(Copies(plain: try weights.plain(precision)))
        #if arch(x86_64)
            few = nil
        #endif
    }

    #if arch(x86_64)
        /// A filter in bfloat16 for one window.
        ///
        /// The plain weights stay where that is an enlarging one, since pictures of odd sizes are enlarged and cut before.
        init(weights: LayerWeights, _ few: Few) throws(TensorError) {
            shape = weights.shape
            precision = .bfloat16
            self.few = few
            let staysPlain = if case .winograd(let filter) = few { filter.kind == .enlarging } else { false }
            copies = Mutex(Copies(plain: staysPlain ? try weights.plain(.bfloat16) : nil))
        }

        /// The weights for our own products, where they are for `window`.
        func few(for window: Window) -> Few? {
            switch few {
            case .winograd(let filter): WinogradFilter.kind(of: window) == filter.kind ? few : nil
            case .packed: window == Window() ? few : nil
            case nil: nil
            }
        }
    #endif

    /// The weights in the plain order.
    func plain(_ operation: String) throws(TensorError) -> Tensor {
        let (plain, source) = copies.withLock { copies in
            #if arch(x86_64)
                (copies.plain, copies.ordered.first)
            #else
                (copies.plain, nil as Never?)
            #endif
        }
        if let plain { return plain }
        #if arch(x86_64)
            if let source { return try source.owner.plain(source.weights, shape: shape, operation) }
        #endif
        throw TensorError(operation, "the filter of shape \(shape) was prepared for another window")
    }

    /// Weights of a 1 x 1 kernel as those of a linear map of the channels.
    func matrix(_ operation: String) throws(TensorError) -> BLASMatrix {
        BLASMatrix(weights: try plain(operation).widened().reshaped([shape[0], shape[3]]))
    }

    #if arch(x86_64)
        /// The weights in the order that `convolution` wants.
        func reordered(for convolution: DirectConvolution, _ operation: String) throws(TensorError) -> Tensor {
            if let kept = copies.withLock({ $0.kept(for: convolution) }) { return kept }
            // Outside of the lock: another thread may do the same work, and the first one's is kept.
            let plain = try plain(operation)
            let made = convolution.takesPlainFilter ? plain : try convolution.reorder(plain, operation)
            return copies.withLock { copies in
                if let kept = copies.kept(for: convolution) { return kept }
                copies.ordered.append((convolution, made))
                if precision == .bfloat16 { copies.plain = nil }
                return made
            }
        }
    #endif
}

#if arch(x86_64)
    extension ConvolutionFilter.Copies {
        fileprivate func kept(for convolution: DirectConvolution) -> Tensor? {
            ordered.first { $0.owner.ordersFilter(like: convolution) }?.weights
        }
    }
#endif
