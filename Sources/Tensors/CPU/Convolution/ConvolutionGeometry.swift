internal import CKernels

/// Sizes of one convolution of `[images, height, width, channels]` to `[images, outHeight, outWidth, outputs]`.
struct ConvolutionGeometry {
    let images, height, width, channels, outputs, outHeight, outWidth: Int
    let kernelHeight, kernelWidth: Int
    let groups: Int
    let window: Window
    var kernel: rectifid_window

    var groupChannels: Int { channels / groups }
    var groupOutputs: Int { outputs / groups }
    var inputSize: Int { height * width * channels }
    var outputSize: Int { outHeight * outWidth * outputs }
    /// Numbers of one patch of one group.
    var patch: Int { kernel.kernel_height * kernel.kernel_width * groupChannels }

    /// Multiplications and additions.
    var operations: Double { 2 * Double(images) * Double(outHeight * outWidth * outputs) * Double(patch) }

    init(input: Shape, filter: Shape, _ window: Window, _ operation: String) throws(TensorError) {
        guard input.rank == 4,
            let size = window.outputSize(
                height: input[1], width: input[2], kernelHeight: filter[1], kernelWidth: filter[2])
        else { throw TensorError.mismatch(operation, input, filter, "the kernel does not fit the padded picture") }
        (images, height, width, channels) = (input[0], input[1], input[2], input[3])
        (outHeight, outWidth, outputs) = (size.height, size.width, filter[0])
        (kernelHeight, kernelWidth, groups, self.window) = (filter[1], filter[2], window.groups, window)
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
