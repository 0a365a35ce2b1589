#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Who computes convolutions; `RECTIFID_CONVOLUTION` chooses for the process.
public enum ConvolutionProvider: String, Sendable, CaseIterable {
    /// oneDNN where it has a kernel for the processor and that kernel is the faster one, OpenBLAS elsewhere.
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

/// Convolution and its derivative by the input: which provider computes which.
extension CPU {
    public func filter(_ weights: Tensor) throws(TensorError) -> any Filter {
        guard weights.shape.rank == 4 else {
            throw TensorError("filter", "weights of shape \(weights.shape); [O, kh, kw, I / groups] is needed")
        }
        return ConvolutionFilter(weights: weights)
    }

    public func convolve(
        _ x: Tensor, _ filter: any Filter, bias: Tensor?, _ window: Window
    ) throws(TensorError) -> Tensor {
        let filter = try own(filter, "convolve")
        let geometry = try ConvolutionGeometry(input: x.shape, filter: filter.shape, window, "convolve")
        #if arch(x86_64)
            let kind: DirectConvolution.Kind = bias == nil ? .forward : .forwardWithBias
            if let strips = try directStrips(geometry, filter, kind, "convolve") {
                return try run(strips, kind, geometry, x, bias: bias, result: try geometry.output, "convolve")
            }
        #endif
        if geometry.isPointwise { return try linear(x, try filter.asMatrix, bias: bias) }
        return try convolveByPatches(x, filter.weights, bias: bias, geometry)
    }

    public func convolveInputGradient(
        _ dy: Tensor, _ filter: any Filter, _ window: Window, input: Shape
    ) throws(TensorError) -> Tensor {
        let filter = try own(filter, "convolve gradient")
        let geometry = try ConvolutionGeometry(input: input, filter: filter.shape, window, "convolve gradient")
        #if arch(x86_64)
            if let strips = try directStrips(geometry, filter, .inputGradient, "convolve gradient") {
                return try run(strips, .inputGradient, geometry, dy, bias: nil, result: input, "convolve gradient")
            }
        #endif
        if geometry.isPointwise { return try linearInputGradient(dy, try filter.asMatrix) }
        return try convolveByPatchesInputGradient(dy, filter.weights, geometry, input: input)
    }

    private func own(_ filter: any Filter, _ operation: String) throws(TensorError) -> ConvolutionFilter {
        guard let filter = filter as? ConvolutionFilter else {
            throw TensorError(operation, "the filter was prepared for another device")
        }
        return filter
    }
}
