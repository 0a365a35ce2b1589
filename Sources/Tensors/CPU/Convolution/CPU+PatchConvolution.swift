internal import CKernels

/// Convolution as a matrix product over patches, in strips of rows that stay in the cache: the patches of a whole
/// 512 x 512 picture would take over a gigabyte.
extension CPU {
    /// Bytes of patches that one strip may take: half of a common L2 cache.
    private static let stripBytes = 512 << 10

    /// `[N, H, W, C]` of `geometry` to its output; the portable way, and the reference of every other.
    func convolveByPatches(
        _ x: Tensor, _ weights: Tensor, bias: Tensor?, _ geometry: ConvolutionGeometry
    ) throws(TensorError) -> Tensor {
        let output = try geometry.output
        return try strips(of: output, rows: geometry.outHeight, geometry, "convolve") { image, rows, patches, out in
            var shape = geometry.kernel
            let source = x.pointer + image * geometry.inputSize
            let target = out + image * geometry.outputSize + rows.lowerBound * geometry.outWidth * geometry.outputs
            let count = rows.count * geometry.outWidth
            if let bias { spread(bias.pointer, geometry.outputs, over: count, target, geometry.outputs) }
            for group in 0..<geometry.groups {
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

    func convolveByPatchesInputGradient(
        _ dy: Tensor, _ weights: Tensor, _ geometry: ConvolutionGeometry, input: Shape
    ) throws(TensorError) -> Tensor {
        try strips(of: input, rows: geometry.height, geometry, "convolve gradient") { image, rows, patches, out in
            var shape = geometry.kernel
            let target = out + image * geometry.inputSize
            let touching = geometry.outputRows(touching: rows)
            let source = dy.pointer + image * geometry.outputSize
            for group in 0..<geometry.groups {
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

    /// Makes a tensor of which `body(image, rows, patches, out)` writes strips of `rows` of every image; each thread has
    /// patches of its own.
    private func strips(
        of shape: Shape, rows: Int, _ geometry: ConvolutionGeometry, _ operation: String,
        _ body: (Int, Range<Int>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) throws(TensorError) -> Tensor {
        let rowNumbers = geometry.outWidth * geometry.patch
        let rowBytes = max(1, rowNumbers * MemoryLayout<Float>.stride)
        // At least four rows, since strips of input rows recompute the patches at their seams.
        var height = max(4, min(rows, CPU.stripBytes / rowBytes))
        let wanted = (threads + geometry.images - 1) / max(1, geometry.images)
        if wanted > 1 { height = min(height, max(4, (rows + wanted - 1) / wanted)) }
        let perImage = (rows + height - 1) / height
        let patches = try Scratch(
            floats: geometry.patchRowsBound(strip: height) * rowNumbers, parts: threads, operation)
        return try Tensor.building(shape, operation) { out in
            split(geometry.images * perImage, grain: 1, patches) { part, memory in
                for strip in part {
                    let first = strip % perImage * height
                    body(
                        strip / perImage, first..<min(rows, first + height), memory.assumingMemoryBound(to: Float.self),
                        out)
                }
            }
        }
    }
}
