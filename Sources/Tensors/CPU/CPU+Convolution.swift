internal import CKernels

/// Weights of a convolution as matrix products take them: one `[O / groups, kh * kw * I / groups]` matrix per group.
struct PatchFilter: Filter {
    let weights: Tensor
    var shape: Shape { weights.shape }
}

/// Convolution as a matrix product over patches, in strips of rows that stay in the cache: the patches of a whole
/// 512 x 512 picture would take over a gigabyte.
extension CPU {
    /// Bytes of patches that one strip may take: half of a common L2 cache.
    private static let stripBytes = 512 << 10

    public func filter(_ weights: Tensor) throws(TensorError) -> any Filter {
        guard weights.shape.rank == 4 else {
            throw TensorError("filter", "weights of shape \(weights.shape); [O, kh, kw, I / groups] is needed")
        }
        return PatchFilter(weights: weights)
    }

    public func convolve(
        _ x: Tensor, _ filter: any Filter, bias: Tensor?, _ window: Window
    ) throws(TensorError) -> Tensor {
        let weights = try own(filter, "convolve")
        let geometry = try Geometry(input: x.shape, filter: weights.shape, window, "convolve")
        if geometry.isPointwise {
            let matrix = BLASMatrix(weights: try weights.reshaped([geometry.outputs, geometry.channels]))
            return try linear(x, matrix, bias: bias)
        }
        let result = try geometry.output
        return try Tensor.building(result, "convolve") { out in
            strips(geometry, rows: geometry.outHeight, patchRows: geometry.outWidth) { image, rows, patches in
                var shape = geometry.kernel
                let source = x.pointer + image * geometry.inputSize
                let target = out + image * geometry.outputSize + rows.lowerBound * geometry.outWidth * geometry.outputs
                let count = rows.count * geometry.outWidth
                if let bias { spread(bias.pointer, geometry.outputs, over: count, target, geometry.outputs) }
                for group in 0..<window.groups {
                    shape.group_offset = group * geometry.groupChannels
                    rectifid_gather_patches(source, &shape, rows.lowerBound, rows.upperBound, patches)
                    multiply(
                        Factor(patches, rowStride: geometry.patch),
                        Factor(
                            weights.pointer + group * geometry.groupOutputs * geometry.patch, rowStride: geometry.patch,
                            transposed: true),
                        into: target + group * geometry.groupOutputs, rowStride: geometry.outputs,
                        rows: count, columns: geometry.groupOutputs, inner: geometry.patch, beta: bias == nil ? 0 : 1)
                }
            }
        }
    }

    public func convolveInputGradient(
        _ dy: Tensor, _ filter: any Filter, _ window: Window, input: Shape
    ) throws(TensorError) -> Tensor {
        let weights = try own(filter, "convolve gradient")
        let geometry = try Geometry(input: input, filter: weights.shape, window, "convolve gradient")
        if geometry.isPointwise {
            return try linearInputGradient(
                dy, BLASMatrix(weights: try weights.reshaped([geometry.outputs, geometry.channels])))
        }
        return try Tensor.building(input, "convolve gradient") { out in
            strips(geometry, rows: geometry.height, patchRows: geometry.outWidth) { image, rows, patches in
                var shape = geometry.kernel
                let target = out + image * geometry.inputSize
                let touching = geometry.outputRows(touching: rows)
                let source = dy.pointer + image * geometry.outputSize
                for group in 0..<window.groups {
                    shape.group_offset = group * geometry.groupChannels
                    multiply(
                        Factor(
                            source + touching.lowerBound * geometry.outWidth * geometry.outputs + group
                                * geometry.groupOutputs, rowStride: geometry.outputs),
                        Factor(
                            weights.pointer + group * geometry.groupOutputs * geometry.patch, rowStride: geometry.patch),
                        into: patches, rowStride: geometry.patch, rows: touching.count * geometry.outWidth,
                        columns: geometry.patch, inner: geometry.groupOutputs)
                    rectifid_scatter_patches(
                        patches, &shape, touching.lowerBound, touching.upperBound, rows.lowerBound, rows.upperBound,
                        target)
                }
            }
        }
    }

    private func own(_ filter: any Filter, _ operation: String) throws(TensorError) -> Tensor {
        guard let filter = filter as? PatchFilter else {
            throw TensorError(operation, "the filter was prepared for another device")
        }
        return filter.weights
    }

    /// Runs `body(image, rows, patches)` over strips of `rows` of every image; each thread has patches of its own.
    private func strips(
        _ geometry: Geometry, rows: Int, patchRows: Int,
        _ body: (Int, Range<Int>, UnsafeMutablePointer<Float>) -> Void
    ) {
        let rowBytes = max(1, patchRows * geometry.patch * MemoryLayout<Float>.stride)
        // At least four rows, since strips of input rows recompute the patches at their seams.
        var height = max(4, min(rows, CPU.stripBytes / rowBytes))
        let wanted = (threads + geometry.images - 1) / max(1, geometry.images)
        if wanted > 1 { height = min(height, max(4, (rows + wanted - 1) / wanted)) }
        let perImage = (rows + height - 1) / height
        let patchCount = geometry.patchRowsBound(strip: height) * patchRows * geometry.patch
        split(geometry.images * perImage, grain: 1) { part in
            let patches = UnsafeMutablePointer<Float>.allocate(capacity: patchCount)
            defer { patches.deallocate() }
            for strip in part {
                let first = strip % perImage * height
                body(strip / perImage, first..<min(rows, first + height), patches)
            }
        }
    }
}

/// Sizes of one convolution.
private struct Geometry {
    let images, height, width, channels, outputs, outHeight, outWidth: Int
    let kernelHeight: Int
    let groups: Int
    let window: Window
    var kernel: rectifid_window

    var groupChannels: Int { channels / groups }
    var groupOutputs: Int { outputs / groups }
    var inputSize: Int { height * width * channels }
    var outputSize: Int { outHeight * outWidth * outputs }
    /// Numbers of one patch of one group.
    var patch: Int { kernel.kernel_height * kernel.kernel_width * groupChannels }

    init(input: Shape, filter: Shape, _ window: Window, _ operation: String) throws(TensorError) {
        guard input.rank == 4,
            let size = window.outputSize(
                height: input[1], width: input[2], kernelHeight: filter[1], kernelWidth: filter[2])
        else { throw TensorError.mismatch(operation, input, filter, "the kernel does not fit the padded picture") }
        (images, height, width, channels) = (input[0], input[1], input[2], input[3])
        (outHeight, outWidth, outputs) = (size.height, size.width, filter[0])
        (kernelHeight, groups, self.window) = (filter[1], window.groups, window)
        kernel = rectifid_window(
            height: height, width: width, channels: channels, out_height: outHeight, out_width: outWidth,
            kernel_height: filter[1], kernel_width: filter[2], stride_height: window.strideHeight,
            stride_width: window.strideWidth, dilation_height: window.dilationHeight,
            dilation_width: window.dilationWidth, pad_top: window.top, pad_left: window.left, group_offset: 0,
            group_channels: channels / window.groups)
    }

    var output: Shape { get throws(TensorError) { try Shape([images, outHeight, outWidth, outputs]) } }

    /// A 1 x 1 kernel over every pixel is a linear map of the channels.
    var isPointwise: Bool {
        kernel.kernel_height == 1 && kernel.kernel_width == 1 && groups == 1 && window.strideHeight == 1
            && window.strideWidth == 1 && window.top + window.left + window.bottom + window.right == 0
    }

    /// Output rows whose patches touch the given input rows.
    func outputRows(touching rows: Range<Int>) -> Range<Int> {
        let reach = (kernelHeight - 1) * window.dilationHeight
        let first = (rows.lowerBound + window.top - reach + window.strideHeight - 1)
        let lowest = first <= 0 ? 0 : first / window.strideHeight
        let highest = (rows.upperBound - 1 + window.top) / window.strideHeight
        let end = min(outHeight, highest + 1)
        return min(lowest, end)..<end
    }

    /// The most output rows that a strip of `strip` rows (of input or of output) needs patches for.
    func patchRowsBound(strip: Int) -> Int {
        let reach = (kernelHeight - 1) * window.dilationHeight
        return max(strip, (strip + reach) / window.strideHeight + 2)
    }
}
