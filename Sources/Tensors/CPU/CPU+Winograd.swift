#if arch(x86_64)
    internal import CKernels

    /// Convolutions by few products and their derivatives, split into blocks of tiles over our own threads. How they are
    /// split changes no bit: every result is a sum of its own, always in the same order.
    extension CPU {
        func convolve(
            _ x: Tensor, _ filter: WinogradFilter, bias: Tensor?, result: Precision
        ) throws(TensorError) -> Tensor {
            let scale = filter.kind == .enlarging ? 2 : 1
            let shape = try Shape([x.shape[0], scale * x.shape[1], scale * x.shape[2], filter.outputs])
            return try profiled(
                "convolve", operations: filter.operations(results: shape), of: [x], by: filter.reported,
                note: filter.note
            ) { () throws(TensorError) in
                let picture = rectifid_winograd_picture(
                    kind: filter.code, images: shape[0], height: x.shape[1], width: x.shape[2],
                    channels: filter.channels, outputs: filter.outputs, transposes: false,
                    narrow_result: result == .bfloat16)
                return try run(
                    picture, try x.converted(to: .bfloat16), filter.words, bias: bias, shape, result, "convolve")
            }
        }

        func convolveInputGradient(
            _ dy: Tensor, _ filter: WinogradFilter, input: Shape, result: Precision
        ) throws(TensorError) -> Tensor {
            try profiled(
                "convolve gradient", operations: filter.operations(results: dy.shape), of: [dy], by: filter.reported,
                note: filter.note
            ) { () throws(TensorError) in
                var picture = rectifid_winograd_picture(
                    kind: filter.kind == .same ? RECTIFID_WINOGRAD_SAME : RECTIFID_WINOGRAD_SHRINKING,
                    images: input[0], height: dy.shape[1], width: dy.shape[2], channels: filter.outputs,
                    outputs: filter.channels, transposes: false, narrow_result: result == .bfloat16)
                // Every block of tiles would transpose the filter anew: cheaper than a round through memory for a few.
                picture.transposes = rectifid_winograd_tiles(&picture) <= 4 * rectifid_winograd_block(&picture)
                return try run(
                    picture, try dy.converted(to: .bfloat16),
                    picture.transposes ? filter.words : try transposed(filter), bias: nil, input, result,
                    "convolve gradient")
            }
        }

        private func run(
            _ picture: rectifid_winograd_picture, _ x: Tensor, _ words: Tensor, bias: Tensor?, _ shape: Shape,
            _ result: Precision, _ operation: String
        ) throws(TensorError) -> Tensor {
            guard shape.count > 0 else { return try Tensor(repeating: 0, shape: shape).converted(to: result) }
            var picture = picture
            let plan = WinogradPlan(&picture, threads: threads)
            let scratch = try Scratch(
                bytes: rectifid_winograd_scratch_bytes(&picture), parts: threads, operation)
            return try Tensor.building(shape, result, operation) { out in
                split(plan.units, grain: 1, scratch) { part, memory in
                    var picture = picture
                    for unit in part {
                        let (tiles, panels) = plan.work(unit)
                        rectifid_winograd(
                            &picture, x.halves, words.bytes.assumingMemoryBound(to: UInt32.self), bias?.pointer, out,
                            tiles.lowerBound, tiles.upperBound, panels.lowerBound, panels.upperBound, memory)
                    }
                }
            }
        }
    }

    extension WinogradFilter {
        /// Multiplications and additions of the plain convolution.
        fileprivate func operations(results: Shape) -> Double { 18 * Double(results.count) * Double(channels) }

        fileprivate var note: String { kind == .enlarging ? "enlarged twofold" : "" }

        /// The plain weights.
        fileprivate var reported: OperationWeights? {
            (try? Shape([outputs, 3, 3, channels])).map { OperationWeights(shape: $0, precision: .bfloat16) }
        }
    }

    /// How a convolution is cut: blocks of tiles and, where these are fewer than the threads, groups of the filter's panels.
    private struct WinogradPlan {
        let tiles, blocks, groups, panels: Int

        var units: Int { blocks * groups }

        init(_ picture: inout rectifid_winograd_picture, threads: Int) {
            tiles = rectifid_winograd_tiles(&picture)
            panels = rectifid_packed_panels(picture.outputs)
            let least = (tiles + rectifid_winograd_block(&picture) - 1) / rectifid_winograd_block(&picture)
            // As many for every thread, unless the tiles are those of one block.
            blocks = least == 1 ? 1 : min(tiles, (least + threads - 1) / threads * threads)
            groups = min(panels, (threads + blocks - 1) / blocks)
        }

        func work(_ unit: Int) -> (tiles: Range<Int>, panels: Range<Int>) {
            let (group, block) = unit.quotientAndRemainder(dividingBy: blocks)
            return (
                tiles * block / blocks..<tiles * (block + 1) / blocks,
                panels * group / groups..<panels * (group + 1) / groups
            )
        }
    }
#endif
