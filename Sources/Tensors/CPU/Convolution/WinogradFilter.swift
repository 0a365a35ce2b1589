#if arch(x86_64)
    internal import CKernels

    /// Weights of a 3 x 3 kernel as their transforms, for the few products of `winograd.h`.
    ///
    /// 16 / 9 of the plain weights' memory (as much as theirs where pixels repeat), of which the derivative needs no second
    /// copy: it transposes this one as it goes. That is 5 to 20 % of a convolution of few tiles, less of others, and spares
    /// gigabytes.
    struct WinogradFilter: TransformedFilter {
        enum Kind: Sendable, Hashable { case same, enlarging }

        static let precision = Precision.bfloat16
        let kind: Kind
        let channels, outputs: Int
        /// Packed words, as bytes of a tensor of bfloat16 numbers.
        let words: Tensor

        var enlarges: Bool { kind == .enlarging }

        var code: rectifid_winograd_kind { kind == .same ? RECTIFID_WINOGRAD_SAME : RECTIFID_WINOGRAD_ENLARGING }

        var pointer: UnsafePointer<UInt32> { words.bytes.assumingMemoryBound(to: UInt32.self) }
    }

    /// Transforming filters.
    extension CPU {
        /// Whether our own products in bfloat16 are the fastest: oneDNN's are where the processor multiplies whole tiles.
        static let hasFewProducts = hasNarrowProduct && !DirectConvolution.hasMatrixTiles

        /// How a convolution of `[O, kh, kw, I]` can be done by fewer products; nil where it cannot, or where whole tiles
        /// are multiplied by one instruction (AMX), which is faster still.
        func winogradKind(_ filter: Shape, _ window: Window) -> WinogradFilter.Kind? {
            guard CPU.hasFewProducts, canTransform(filter, window) else { return nil }
            return window.repeats == 1 ? .same : .enlarging
        }

        /// Transforms float32 weights `[O, 3, 3, I]`.
        func winogradFilter(
            _ weights: LayerWeights, _ kind: WinogradFilter.Kind
        ) throws(TensorError) -> WinogradFilter {
            let (outputs, channels) = (weights.shape[0], weights.shape[3])
            let code = kind == .same ? RECTIFID_WINOGRAD_SAME : RECTIFID_WINOGRAD_ENLARGING
            let panels = rectifid_packed_panels(outputs)
            let shape = try Shape([2 * rectifid_winograd_words(code, channels, outputs)])
            let words = try weights.form(kind == .same ? "winograd" : "enlarging", shape, .bfloat16) {
                (numbers) throws(TensorError) in
                let numbers = try numbers.widened()
                return try Tensor.building(shape, .bfloat16, "filter") { out in
                    split(panels, grain: max(1, (1 << 16) / max(1, channels * 48))) { part in
                        rectifid_winograd_filter(
                            code, numbers.pointer, channels, outputs, part.lowerBound, part.upperBound,
                            out.assumingMemoryBound(to: UInt32.self))
                    }
                }
            }
            return WinogradFilter(kind: kind, channels: channels, outputs: outputs, words: words)
        }

        /// The filter of the derivative.
        func transposed(_ filter: WinogradFilter) throws(TensorError) -> Tensor {
            let (channels, outputs) = (filter.channels, filter.outputs)
            let panels = rectifid_packed_panels(channels)
            let shape = try Shape([2 * rectifid_winograd_words(filter.code, outputs, channels)])
            return try Tensor.building(shape, .bfloat16, "convolve gradient") { out in
                split(panels, grain: max(1, (1 << 18) / max(1, outputs * 48))) { part in
                    rectifid_winograd_transpose(
                        filter.code, filter.pointer, channels, outputs, part.lowerBound, part.upperBound,
                        out.assumingMemoryBound(to: UInt32.self))
                }
            }
        }
    }
#endif
