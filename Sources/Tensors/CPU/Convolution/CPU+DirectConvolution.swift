#if arch(x86_64)
    internal import Synchronization

    /// Rows of every image that one thread computes at a time, with the kernel compiled for them.
    struct DirectStrip {
        /// Of the result: output rows forward, input rows in the derivative.
        let rows: Range<Int>
        /// The operand's first row that they need.
        let source: Int
        let convolution: DirectConvolution
        let filter: Tensor
    }

    /// Convolution by compiled kernels, split into strips of rows over our own threads.
    ///
    /// The split is ours, and oneDNN is held to one thread, for two reasons. Its OpenMP threads spin for milliseconds
    /// after every call, against the threads of all other operations and of other jobs. And a split that depends on
    /// sizes alone gives the same bits in every run, so that an interrupted job can continue where it stopped.
    extension CPU {
        /// The strips of one image; nil where oneDNN shall not or cannot compute this convolution.
        func directStrips(
            _ geometry: ConvolutionGeometry, _ filter: ConvolutionFilter, _ kind: DirectConvolution.Kind,
            result: Precision, _ operation: String
        ) throws(TensorError) -> [DirectStrip]? {
            guard convolutionProvider != .openBLAS, geometry.fitsDirectKernels,
                filter.precision == .float32 || geometry.fitsNarrowKernels && DirectConvolution.multipliesBFloat16
            else { return nil }
            var strips: [DirectStrip] = []
            for rows in geometry.strips(kind, count: directStripCount(geometry, kind)) {
                guard case (var problem, let source)? = geometry.problem(kind, rows: rows) else { return nil }
                (problem.operands, problem.result) = (filter.precision, result)
                guard let convolution = try DirectConvolution.compiled(problem, operation),
                    filter.precision == .bfloat16 || convolutionProvider == .oneDNN
                        || geometry.gains(by: convolution.kernel, kind)
                else { return nil }
                strips.append(
                    DirectStrip(
                        rows: rows, source: source, convolution: convolution,
                        filter: try filter.reordered(for: convolution, operation)))
            }
            return strips
        }

        /// The fewest strips that spread the images evenly over the threads, where the work is worth it.
        private func directStripCount(_ geometry: ConvolutionGeometry, _ kind: DirectConvolution.Kind) -> Int {
            var (common, rest) = (threads, geometry.images)
            while rest != 0 { (common, rest) = (rest, common % rest) }
            return max(1, min(threads / max(1, common), geometry.multiplications / CPU.productGrain))
        }

        func run(
            _ strips: [DirectStrip], _ kind: DirectConvolution.Kind, _ geometry: ConvolutionGeometry, _ operand: Tensor,
            bias: Tensor?, shape: Shape, result: Precision, _ operation: String
        ) throws(TensorError) -> Tensor {
            let input = (image: geometry.inputSize, row: geometry.width * geometry.channels)
            let output = (image: geometry.outputSize, row: geometry.outWidth * geometry.outputs)
            let (from, to) = kind == .inputGradient ? (output, input) : (input, output)
            let (fromBytes, toBytes) = (operand.precision.byteCount, result.byteCount)
            let failure = Mutex<TensorError?>(nil)
            let perStrip = max(1, geometry.multiplications / strips.count)
            let computed = try Tensor.building(shape, result, operation) { out in
                split(geometry.images * strips.count, grain: max(1, CPU.productGrain / perStrip)) { part in
                    for index in part {
                        let (image, strip) = (index / strips.count, strips[index % strips.count])
                        let problem = strip.convolution.run(
                            operand.bytes + (image * from.image + strip.source * from.row) * fromBytes,
                            filter: strip.filter, bias: bias?.pointer,
                            into: out + (image * to.image + strip.rows.lowerBound * to.row) * toBytes, operation)
                        if let problem { failure.withLock { $0 = problem } }
                    }
                }
            }
            if let problem = failure.withLock({ $0 }) { throw problem }
            return computed
        }
    }

    extension ConvolutionGeometry {
        /// Multiplications per image.
        var multiplications: Int { outHeight * outWidth * outputs * patch }

        /// Kernels take paddings of zero and more, and reckon offsets in 32 bits.
        fileprivate var fitsDirectKernels: Bool {
            let most = Int(Int32.max) / MemoryLayout<Float>.stride
            return inputSize > 0 && outputSize > 0 && outputs * patch > 0 && window.top >= 0 && window.left >= 0
                && inputSize <= most && outputSize <= most && outputs * patch <= most
        }

        /// Whether the kernels take these channels.
        ///
        /// Their instructions take pairs. oneDNN 2.6 gets the derivative of a 1 x 1 kernel with a single
        /// output wrong; such small convolutions gain nothing anyway.
        fileprivate var fitsNarrowKernels: Bool { groupChannels % 8 == 0 && groupOutputs % 8 == 0 }

        /// Whether a compiled kernel is faster than a matrix product over patches.
        ///
        /// Measured: with AVX-512 always. With AVX2 in the derivative, whose patches have to be added up, unless most of
        /// a vector of channels stays empty; forward where few channels leave the product little to do for each number
        /// gathered; and with groups. A linear map of the pixels gains too little there to pay for a copy of its weights.
        fileprivate func gains(by kernel: String, _ kind: DirectConvolution.Kind) -> Bool {
            if kernel.contains("avx512") || groups > 1 { return true }
            if isPointwise { return false }
            return kind == .inputGradient ? channels >= 8 : min(channels, outputs) <= 48
        }

        /// Cuts the result's rows into `count` strips, or fewer.
        fileprivate func strips(_ kind: DirectConvolution.Kind, count: Int) -> [Range<Int>] {
            let rows = kind == .inputGradient ? height : outHeight
            var bounds = [0]
            for index in stride(from: 1, to: count, by: 1) {
                var bound = rows * index / count
                // Where an output row begins, so that the strip is a convolution's whole input with its own padding.
                if kind == .inputGradient { bound -= (bound + window.top) % window.strideHeight }
                if bound > bounds[bounds.count - 1], bound < rows { bounds.append(bound) }
            }
            return zip(bounds, bounds.dropFirst() + [rows]).map { $0..<$1 }
        }

        /// The convolution that computes `rows` of the result, and the operand's first row that it reads; nil where no
        /// padding of zero or more expresses it.
        fileprivate func problem(
            _ kind: DirectConvolution.Kind, rows: Range<Int>
        ) -> (problem: DirectConvolution.Problem, source: Int)? {
            let reach = (kernelHeight - 1) * window.dilationHeight + 1
            let outputRows = kind == .inputGradient ? self.outputRows(touching: rows) : rows
            guard !outputRows.isEmpty else { return nil }
            // Input rows that the output rows reach, those of the padding included.
            let first = outputRows.lowerBound * window.strideHeight - window.top
            let end = (outputRows.upperBound - 1) * window.strideHeight - window.top + reach
            let inputRows = kind == .inputGradient ? rows : max(0, first)..<max(0, first, min(height, end))
            let top = inputRows.lowerBound - first, bottom = end - inputRows.upperBound
            guard !inputRows.isEmpty, top >= 0, bottom > -window.strideHeight else { return nil }
            var strip = window
            strip.top = top
            // These two follow from the sizes; left alike, equal problems are found equal.
            (strip.bottom, strip.right) = (0, 0)
            let problem = DirectConvolution.Problem(
                kind: kind, height: inputRows.count, width: width, channels: channels, outHeight: outputRows.count,
                outWidth: outWidth, outputs: outputs, kernelHeight: kernelHeight,
                kernelWidth: kernelWidth, window: strip)
            return (problem, kind == .inputGradient ? outputRows.lowerBound : inputRows.lowerBound)
        }
    }
#endif
