#if arch(x86_64)
    internal import CKernels

    /// Convolutions in bfloat16 by few products and their derivatives, split over our own threads.
    extension CPU {
        func convolve(
            _ x: Tensor, _ filter: WinogradFilter, bias: Tensor?, result: Precision
        ) throws(TensorError) -> Tensor {
            try convolving(x, filter) { (shape) throws(TensorError) in
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
            try convolvingGradient(dy, filter) { () throws(TensorError) in
                var picture = rectifid_winograd_picture(
                    kind: filter.enlarges ? RECTIFID_WINOGRAD_SHRINKING : RECTIFID_WINOGRAD_SAME,
                    images: input[0], height: dy.shape[1], width: dy.shape[2], channels: filter.outputs,
                    outputs: filter.channels, transposes: false, narrow_result: result == .bfloat16)
                // Every block of tiles would transpose the filter anew: cheaper than a round through memory for a few.
                picture.transposes = rectifid_winograd_tiles(&picture) <= 256
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
            // Where every block turns the filter's panels as it goes, there are as few blocks as possible.
            let plan = BlockPlan(
                rows: rectifid_winograd_tiles(&picture), block: rectifid_winograd_block(&picture),
                least: picture.transposes ? .max : 32, panels: rectifid_packed_panels(picture.outputs),
                work: words.shape.count, units: threads)
            let scratch = try Scratch(
                bytes: rectifid_winograd_scratch_bytes(&picture), parts: threads, operation)
            return try Tensor.building(shape, result, operation) { out in
                split(plan.units, grain: plan.grain, scratch) { part, memory in
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
#endif
