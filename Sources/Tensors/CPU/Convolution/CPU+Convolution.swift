#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Who computes convolutions; `RECTIFID_CONVOLUTION` chooses for the process.
///
/// Any choice but ``automatic`` also turns off the few products of ``WideFilter`` and of its like in bfloat16.
public enum ConvolutionProvider: String, Sendable, CaseIterable {
    /// Our own kernels of few products where they take the sizes, else oneDNN where it has a kernel for the processor and
    /// that kernel is the faster one, OpenBLAS elsewhere.
    case automatic
    /// Matrix products over patches, everywhere.
    case openBLAS = "openblas"
    /// oneDNN wherever it has a kernel for the processor, even a slower one.
    case oneDNN = "onednn"

    /// The provider that the environment names; ``automatic`` where it names none that exists.
    static func named(byEnvironment variable: String = "RECTIFID_CONVOLUTION") -> ConvolutionProvider {
        getenv(variable).flatMap { ConvolutionProvider(rawValue: String(cString: $0)) } ?? .automatic
    }
}

extension ConvolutionFilter {
    fileprivate var reported: OperationWeights { OperationWeights(shape: shape, precision: precision) }
}

extension Window {
    fileprivate var note: String { strideHeight == 1 ? "" : "stride \(strideHeight)" }

    fileprivate var withoutRepeats: Window {
        var window = self
        window.repeats = 1
        return window
    }
}

/// Convolution and its derivative by the input: which provider computes which.
extension CPU {
    public func filter(
        _ weights: LayerWeights, _ precision: Precision, for window: Window?
    ) throws(TensorError) -> any Filter { try convolutionFilter(weights, precision, for: window) }

    func convolutionFilter(
        _ weights: LayerWeights, _ precision: Precision, for window: Window?
    ) throws(TensorError) -> ConvolutionFilter {
        guard weights.shape.rank == 4 else {
            throw TensorError("filter", "weights of shape \(weights.shape); [O, kh, kw, I / groups] is needed")
        }
        if let window, let few = try fewProducts(weights, precision, window) {
            return try ConvolutionFilter(weights: weights, precision, few, for: window)
        }
        return try ConvolutionFilter(weights: weights, precision)
    }

    /// The weights in the order of our own products; nil where these are not the fastest.
    private func fewProducts(
        _ weights: LayerWeights, _ precision: Precision, _ window: Window
    ) throws(TensorError) -> ConvolutionFilter.Few? {
        let shape = weights.shape, isPointwise = window == Window() && shape[1] == 1 && shape[2] == 1
        if precision == .float32 {
            if isPointwise, packsWidely(outputs: shape[0], inputs: shape[3]) {
                return .wideMatrix(try wideMatrix(try weights.reshaped([shape[0], shape[3]])))
            }
            return try wideKind(shape, window).map { kind throws(TensorError) in
                .wide(try wideFilter(weights, kind))
            }
        }
        #if arch(x86_64)
            if isPointwise, packs(outputs: shape[0], inputs: shape[3]) {
                return .packed(try packed(try weights.reshaped([shape[0], shape[3]])))
            }
            if let kind = winogradKind(shape, window) { return .winograd(try winogradFilter(weights, kind)) }
        #endif
        return nil
    }

    public func convolve(
        _ x: Tensor, _ filter: any Filter, bias: Tensor?, _ window: Window, result: Precision
    ) throws(TensorError) -> Tensor {
        let filter = try own(filter, "convolve")
        switch filter.few(for: window) {
        case .wide(let few): return try convolve(x, few, bias: bias, result: result)
        case .wideMatrix(let matrix): return try linear(x, matrix, bias: bias, result: result)
        #if arch(x86_64)
            case .winograd(let few): return try convolve(x, few, bias: bias, result: result)
            case .packed(let matrix): return try linear(x, matrix, bias: bias, result: result)
        #endif
        case nil: break
        }
        guard window.repeats == 1 else {
            let enlarged = try resizeNearest(
                x, height: x.shape[1] * window.repeats, width: x.shape[2] * window.repeats)
            return try convolve(enlarged, filter, bias: bias, window.withoutRepeats, result: result)
        }
        let geometry = try ConvolutionGeometry(input: x.shape, filter: filter.shape, window, "convolve")
        return try profiled(
            geometry.isPointwise ? "linear" : "convolve", operations: geometry.operations, of: [x], by: filter.reported,
            note: window.note
        ) {
            () throws(TensorError) in
            try convolve(x, filter, bias: bias, geometry, result: result)
        }
    }

    private func convolve(
        _ x: Tensor, _ filter: ConvolutionFilter, bias: Tensor?, _ geometry: ConvolutionGeometry, result: Precision
    ) throws(TensorError) -> Tensor {
        let x = try x.converted(to: filter.precision)
        #if arch(x86_64)
            let kind: DirectConvolution.Kind = bias == nil ? .forward : .forwardWithBias
            if let strips = try directStrips(geometry, filter, kind, result: result, "convolve") {
                return try run(
                    strips, kind, geometry, x, bias: bias, shape: try geometry.output, result: result, "convolve")
            }
        #endif
        if geometry.isPointwise {
            return try linearByBLAS(x, try filter.matrix("convolve").weights, bias: bias, result: result)
        }
        let weights = try filter.plain("convolve").widened()
        return try convolveByPatches(try x.widened(), weights, bias: bias, geometry).converted(to: result)
    }

    public func convolveInputGradient(
        _ dy: Tensor, _ filter: any Filter, _ window: Window, input: Shape, result: Precision
    ) throws(TensorError) -> Tensor {
        let filter = try own(filter, "convolve gradient")
        switch filter.few(for: window) {
        case .wide(let few): return try convolveInputGradient(dy, few, input: input, result: result)
        case .wideMatrix(let matrix): return try linearInputGradient(dy, matrix, result: result)
        #if arch(x86_64)
            case .winograd(let few): return try convolveInputGradient(dy, few, input: input, result: result)
            case .packed(let matrix): return try linearInputGradient(dy, matrix, result: result)
        #endif
        case nil: break
        }
        guard window.repeats == 1 else {
            let enlarged = try Shape([input[0], input[1] * window.repeats, input[2] * window.repeats, input[3]])
            let slope = try convolveInputGradient(dy, filter, window.withoutRepeats, input: enlarged, result: result)
            return try resizeNearestGradient(slope, input: input).converted(to: result)
        }
        let geometry = try ConvolutionGeometry(input: input, filter: filter.shape, window, "convolve gradient")
        let kind = geometry.isPointwise ? "linear gradient" : "convolve gradient"
        return try profiled(
            kind, operations: geometry.operations, of: [dy], by: filter.reported, note: window.note
        ) { () throws(TensorError) in
            try convolveInputGradient(dy, filter, geometry, input: input, result: result)
        }
    }

    private func convolveInputGradient(
        _ dy: Tensor, _ filter: ConvolutionFilter, _ geometry: ConvolutionGeometry, input: Shape, result: Precision
    ) throws(TensorError) -> Tensor {
        let dy = try dy.converted(to: filter.precision)
        #if arch(x86_64)
            if let strips = try directStrips(geometry, filter, .inputGradient, result: result, "convolve gradient") {
                return try run(
                    strips, .inputGradient, geometry, dy, bias: nil, shape: input, result: result, "convolve gradient")
            }
        #endif
        if geometry.isPointwise {
            return try linearInputGradientByBLAS(
                dy, try filter.matrix("convolve gradient").weights, result: result)
        }
        let weights = try filter.plain("convolve gradient").widened()
        return try convolveByPatchesInputGradient(try dy.widened(), weights, geometry, input: input)
            .converted(to: result)
    }

    private func own(_ filter: any Filter, _ operation: String) throws(TensorError) -> ConvolutionFilter {
        guard let filter = filter as? ConvolutionFilter else {
            throw TensorError(operation, "the filter was prepared for another device")
        }
        return filter
    }
}
