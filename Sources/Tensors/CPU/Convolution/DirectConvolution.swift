#if arch(x86_64)
    internal import CConvolution
    internal import Synchronization

    /// A convolution of one geometry, compiled for this processor by oneDNN: straight from `[N, H, W, C]`, no patches.
    ///
    /// Immutable; any number of threads may run it at once, each with scratch memory of its own.
    /// `@unchecked Sendable`: oneDNN's primitives are constant once made, and scratch memory is not theirs.
    final class DirectConvolution: @unchecked Sendable {
        enum Kind: Sendable, Hashable { case forward, forwardWithBias, inputGradient }

        /// What a kernel is compiled for: the sizes of one strip of one image.
        struct Problem: Sendable, Hashable {
            var kind: Kind
            var height, width, channels, outHeight, outWidth, outputs: Int
            var kernelHeight, kernelWidth: Int
            var window: Window
            var operands = Precision.float32
            var result = Precision.float32
        }

        private let handle: OpaquePointer
        let precision: Precision
        let scratchBytes: Int
        let takesPlainFilter: Bool
        /// oneDNN's name of the kernel, `jit:avx2` for instance.
        let kernel: String

        private init(_ handle: OpaquePointer, _ precision: Precision) {
            self.handle = handle
            self.precision = precision
            scratchBytes = rectifid_convolution_scratch_bytes(handle)
            takesPlainFilter = rectifid_convolution_takes_plain_filter(handle)
            kernel = String(cString: rectifid_convolution_kernel(handle))
        }

        deinit { rectifid_convolution_destroy(handle) }

        /// Whether this processor multiplies bfloat16 numbers at all; imitating them is slower than float32.
        static let multipliesBFloat16 = rectifid_convolution_multiplies_bfloat16()

        /// Whether this processor multiplies whole tiles of bfloat16 numbers by one instruction (AMX).
        static let hasMatrixTiles = rectifid_convolution_multiplies_tiles()

        /// oneDNN's, of the library that is loaded.
        static let version: String = {
            let packed = rectifid_convolution_version()
            return "\(packed >> 16).\(packed >> 8 & 255).\(packed & 255)"
        }()

        /// The convolution for a problem, compiled at the first request; nil where oneDNN has no fast kernel for it.
        static func compiled(_ problem: Problem, _ operation: String) throws(TensorError) -> DirectConvolution? {
            if let known = compiledBefore.withLock({ $0.find(problem) }) { return known.convolution }
            // A millisecond, outside of the lock; threads that race compile the same kernel.
            var handle: OpaquePointer?
            var geometry = problem.geometry
            let formats = rectifid_convolution_formats(
                narrow_operands: problem.operands == .bfloat16, narrow_result: problem.result == .bfloat16)
            let status = rectifid_convolution_create(&geometry, problem.kind.code, formats, &handle)
            if status != RECTIFID_CONVOLUTION_UNSUPPORTED { try check(status, operation, "compiling \(problem.sizes)") }
            let made = Entry(convolution: handle.map { DirectConvolution($0, problem.operands) })
            compiledBefore.withLock { $0.keep(made, for: problem) }
            return made.convolution
        }

        func ordersFilter(like other: DirectConvolution) -> Bool {
            rectifid_convolution_filters_agree(handle, other.handle)
        }

        /// A copy of plain weights in the order of this convolution.
        func reorder(_ weights: Tensor, _ operation: String) throws(TensorError) -> Tensor {
            let numbers = rectifid_convolution_filter_bytes(handle) / precision.byteCount
            var status = RECTIFID_CONVOLUTION_OK
            let reordered = try Tensor.building(try Shape([numbers]), precision, operation) { out in
                status = rectifid_convolution_reorder_filter(handle, weights.bytes, out)
            }
            try DirectConvolution.check(status, operation, "reordering a filter of shape \(weights.shape)")
            return reordered
        }

        /// Weights in the order of this convolution as plain ones.
        func plain(_ weights: Tensor, shape: Shape, _ operation: String) throws(TensorError) -> Tensor {
            var status = RECTIFID_CONVOLUTION_OK
            let plain = try Tensor.building(shape, precision, operation) { out in
                status = rectifid_convolution_restore_filter(handle, weights.bytes, out)
            }
            try DirectConvolution.check(status, operation, "restoring a filter of shape \(shape)")
            return plain
        }

        /// Runs on the calling thread; nil where all went well.
        func run(
            _ input: UnsafeRawPointer, filter: Tensor, bias: UnsafePointer<Float>?, into out: UnsafeMutableRawPointer,
            _ operation: String
        ) -> TensorError? {
            do throws(TensorError) {
                let scratch = scratchBytes == 0 ? nil : try Storage(bytes: scratchBytes, operation: operation)
                let status = withExtendedLifetime(scratch) {
                    rectifid_convolution_run(handle, input, filter.bytes, bias, out, scratch?.base)
                }
                try DirectConvolution.check(status, operation, "running \(kernel)")
                return nil
            } catch {
                return error
            }
        }

        private static func check(
            _ status: rectifid_convolution_status, _ operation: String, _ doing: String
        ) throws(TensorError) {
            switch status {
            case RECTIFID_CONVOLUTION_OK: return
            case RECTIFID_CONVOLUTION_NO_MEMORY:
                throw TensorError(operation, "oneDNN \(version): no memory for \(doing)", isOutOfMemory: true)
            default:
                throw TensorError(
                    operation,
                    "oneDNN \(version) failed at \(doing); RECTIFID_CONVOLUTION=openblas computes without it")
            }
        }

        /// What a problem was compiled to; nothing where oneDNN has no kernel.
        struct Entry: Sendable { let convolution: DirectConvolution? }

        private static let compiledBefore = Mutex(RecentlyUsed<Problem, Entry>(capacity: 512))
    }

    extension DirectConvolution.Kind {
        fileprivate var code: rectifid_convolution_kind {
            switch self {
            case .forward: RECTIFID_CONVOLUTION_FORWARD
            case .forwardWithBias: RECTIFID_CONVOLUTION_FORWARD_WITH_BIAS
            case .inputGradient: RECTIFID_CONVOLUTION_INPUT_GRADIENT
            }
        }
    }

    extension DirectConvolution.Problem {
        fileprivate var geometry: rectifid_convolution_geometry {
            rectifid_convolution_geometry(
                images: 1, height: Int64(height), width: Int64(width), channels: Int64(channels),
                out_height: Int64(outHeight), out_width: Int64(outWidth), outputs: Int64(outputs),
                kernel_height: Int64(kernelHeight), kernel_width: Int64(kernelWidth),
                stride_height: Int64(window.strideHeight), stride_width: Int64(window.strideWidth),
                dilation_height: Int64(window.dilationHeight), dilation_width: Int64(window.dilationWidth),
                top: Int64(window.top), left: Int64(window.left), groups: Int64(window.groups))
        }

        /// For messages.
        fileprivate var sizes: String {
            "[\(height), \(width), \(channels)] to [\(outHeight), \(outWidth), \(outputs)], "
                + "kernel \(kernelHeight) x \(kernelWidth), groups \(window.groups)"
        }
    }
#endif
