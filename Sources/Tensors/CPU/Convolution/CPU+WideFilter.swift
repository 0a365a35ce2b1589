internal import CKernels

/// Convolutions in float32 by few products and their derivatives, split over our own threads.
extension CPU {
    func convolve(
        _ x: Tensor, _ filter: WideFilter, bias: Tensor?, result: Precision
    ) throws(TensorError) -> Tensor {
        try convolving(x, filter) { (shape) throws(TensorError) in
            let pictures = rectifid_wide_pictures(
                kind: filter.kind.code, height: x.shape[1], width: x.shape[2], channels: filter.channels,
                outputs: filter.outputs, derivative: false)
            return try run(pictures, x, filter.numbers, bias: bias, shape, "convolve").converted(to: result)
        }
    }

    func convolveInputGradient(
        _ dy: Tensor, _ filter: WideFilter, input: Shape, result: Precision
    ) throws(TensorError) -> Tensor {
        try convolvingGradient(dy, filter) { () throws(TensorError) in
            let pictures = rectifid_wide_pictures(
                kind: filter.enlarges ? RECTIFID_WIDE_SHRINKING : filter.kind.code,
                height: dy.shape[1], width: dy.shape[2], channels: filter.outputs, outputs: filter.channels,
                derivative: true)
            return try run(pictures, dy, filter.numbers, bias: nil, input, "convolve gradient").converted(to: result)
        }
    }

    private func run(
        _ pictures: rectifid_wide_pictures, _ x: Tensor, _ filter: Tensor, bias: Tensor?, _ shape: Shape,
        _ operation: String
    ) throws(TensorError) -> Tensor {
        guard shape.count > 0 else { return try Tensor(repeating: 0, shape: shape) }
        var pictures = pictures
        let x = try x.widened()
        let plan = BlockPlan(
            rows: shape[0] * rectifid_wide_tiles(&pictures), block: rectifid_wide_block(&pictures), least: 32,
            panels: rectifid_packed_panels(pictures.outputs), work: filter.shape.count, units: threads)
        let scratch = try Scratch(
            bytes: rectifid_wide_scratch_bytes(&pictures, plan.mostRows, plan.mostPanels), parts: threads, operation)
        return try Tensor.building(shape, operation) { out in
            split(plan.units, grain: plan.grain, scratch) { part, memory in
                var pictures = pictures
                for unit in part {
                    let (tiles, panels) = plan.work(unit)
                    rectifid_wide_convolve(
                        &pictures, x.pointer, filter.pointer, bias?.pointer, out, tiles.lowerBound, tiles.upperBound,
                        panels.lowerBound, panels.upperBound, memory)
                }
            }
        }
    }
}
