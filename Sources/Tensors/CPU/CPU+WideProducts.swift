internal import CKernels

/// Convolutions in float32 by few products and their derivatives, split into blocks of tiles over our own threads. How
/// they are split changes no bit: every result is a sum of its own, always in the same order.
extension CPU {
    func convolve(
        _ x: Tensor, _ filter: WideFilter, bias: Tensor?, result: Precision
    ) throws(TensorError) -> Tensor {
        let scale = filter.kind == .enlarging ? 2 : 1
        let shape = try Shape([x.shape[0], scale * x.shape[1], scale * x.shape[2], filter.outputs])
        return try profiled(
            "convolve", operations: filter.operations(results: shape), of: [x], by: filter.reported, note: filter.note
        ) { () throws(TensorError) in
            let pictures = rectifid_wide_pictures(
                kind: filter.kind.code, height: x.shape[1], width: x.shape[2], channels: filter.channels,
                outputs: filter.outputs, derivative: false)
            return try run(pictures, x, filter.numbers, bias: bias, shape, "convolve").converted(to: result)
        }
    }

    func convolveInputGradient(
        _ dy: Tensor, _ filter: WideFilter, input: Shape, result: Precision
    ) throws(TensorError) -> Tensor {
        try profiled(
            "convolve gradient", operations: filter.operations(results: dy.shape), of: [dy], by: filter.reported,
            note: filter.note
        ) { () throws(TensorError) in
            let pictures = rectifid_wide_pictures(
                kind: filter.kind == .enlarging ? RECTIFID_WIDE_SHRINKING : filter.kind.code,
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
        let plan = WidePlan(&pictures, images: shape[0], threads: threads)
        let scratch = try Scratch(
            bytes: rectifid_wide_scratch_bytes(&pictures, plan.mostTiles, plan.mostPanels), parts: threads, operation)
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

/// How convolutions are cut: blocks of the tiles of all images and, where these are fewer than the threads, groups of the
/// filter's panels, whose tiles every thread then transforms anew.
private struct WidePlan {
    /// Tiles below which going through the filter once more costs more than a thread gains.
    private static let leastTiles = 32
    /// Multiplications that pay for waking a thread.
    private static let workGrain = 1 << 19

    let tiles, blocks, groups, panels, grain: Int

    var units: Int { blocks * groups }

    init(_ pictures: inout rectifid_wide_pictures, images: Int, threads: Int) {
        tiles = images * rectifid_wide_tiles(&pictures)
        panels = rectifid_packed_panels(pictures.outputs)
        let block = rectifid_wide_block(&pictures), needed = (tiles + block - 1) / block
        // As many for every thread, where that leaves them large enough.
        let even = (needed + threads - 1) / threads * threads
        blocks = max(1, min(even, max(needed, tiles / WidePlan.leastTiles)))
        groups = min(panels, (threads + blocks - 1) / blocks)
        let multiplications = rectifid_wide_multiplications(&pictures) * images
        grain = max(1, WidePlan.workGrain * blocks * groups / max(1, multiplications))
    }

    /// Tiles of a block are a whole number of rows of registers.
    private func bound(_ block: Int) -> Int { block == blocks ? tiles : tiles * block / blocks / 8 * 8 }

    var mostTiles: Int { (0..<blocks).reduce(0) { max($0, bound($1 + 1) - bound($1)) } }
    var mostPanels: Int { (panels + groups - 1) / groups }

    func work(_ unit: Int) -> (tiles: Range<Int>, panels: Range<Int>) {
        let (group, block) = unit.quotientAndRemainder(dividingBy: blocks)
        return (bound(block)..<bound(block + 1), panels * group / groups..<panels * (group + 1) / groups)
    }
}
