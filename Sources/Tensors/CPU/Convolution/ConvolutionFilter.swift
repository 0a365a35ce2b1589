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

    /// Weights in the order of our own products, for one window alone.
    enum Few: Sendable {
        case wide(WideFilter)
        /// Of a 1 x 1 kernel.
        case wideMatrix(WideMatrix)
        #if arch(x86_64)
            case winograd(WinogradFilter)
            /// Of a 1 x 1 kernel.
            case packed(PackedMatrix)
        #endif
    }

    private let few: Few?
    /// What `few` are for.
    private let window: Window?

    init(weights: LayerWeights, _ precision: Precision = .float32) throws(TensorError) {
        shape = weights.shape
        self.precision = precision
        copies = Mutex(Copies(plain: try weights.plain(precision)))
        (few, window) = (nil, nil)
    }

    /// A filter for one window.
    ///
    /// The plain weights stay where that is an enlarging one, since pictures of odd sizes are enlarged and cut before.
    init(weights: LayerWeights, _ precision: Precision, _ few: Few, for window: Window) throws(TensorError) {
        shape = weights.shape
        self.precision = precision
        self.few = few
        self.window = window
        copies = Mutex(Copies(plain: window.repeats == 1 ? nil : try weights.plain(precision)))
    }

    /// The weights for our own products, where they are for `window`.
    func few(for window: Window) -> Few? { window == self.window ? few : nil }

    /// The weights in the plain order.
    func plain(_ operation: String) throws(TensorError) -> Tensor {
        if let plain = copies.withLock(\.plain) { return plain }
        #if arch(x86_64)
            if let (owner, weights) = copies.withLock(\.ordered.first) {
                return try owner.plain(weights, shape: shape, operation)
            }
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
