internal import CKernels

extension CPU {
    public func groupNorm(
        _ x: Tensor, groups: Int, weight: Tensor, bias: Tensor, epsilon: Float, silu: Bool, result: Precision
    ) throws(TensorError) -> (output: Tensor, statistics: Tensor) {
        try profiled("group norm", of: [x], note: silu ? "SiLU" : "") { () throws(TensorError) in
            let plan = NormalizationPlan(x.shape, groups: groups)
            let shift = try firstPixels(x, plan)
            let sums = try channelSums(plan) { chunk, sum, squares in
                rectifid_channel_moments(
                    x.bytes + chunk.at * x.precision.byteCount, x.precision.format,
                    shift.pointer + chunk.image * plan.channels,
                    sum, squares, chunk.rows, plan.channels)
            }
            let statistics = try plan.statistics(sums, shift: shift.elements, epsilon: epsilon)
            let tables = try plan.tables(statistics, weight: weight.elements, bias: bias.elements)
            let output = try Tensor.building(x.shape, result, "group norm") { out in
                eachChunk(plan) { chunk in
                    let table = chunk.image * plan.channels
                    rectifid_scale_channels(
                        x.bytes + chunk.at * x.precision.byteCount, x.precision.format, tables.scale.pointer + table,
                        tables.offset.pointer + table, silu, out + chunk.at * result.byteCount, result.format,
                        chunk.rows,
                        plan.channels)
                }
            }
            return (output, try Tensor(statistics, shape: [plan.images, 2, groups]))
        }
    }

    // With xhat = (x - mean) d, e = dL/d(xhat w + b) and means over the group: dx = d (e w - mean(e w) - xhat
    // mean(e w xhat)). Two passes: the first gathers both means, the second writes dx = e scale - x pull + level.
    public func groupNormGradient(
        _ x: Tensor, statistics: Tensor, groups: Int, weight: Tensor, bias: Tensor, silu: Bool, _ dy: Tensor,
        result: Precision
    ) throws(TensorError) -> Tensor {
        try profiled("group norm gradient", of: [x, dy], note: silu ? "SiLU" : "") { () throws(TensorError) in
            let plan = NormalizationPlan(x.shape, groups: groups), numbers = statistics.elements
            let tables = try plan.tables(numbers, weight: weight.elements, bias: bias.elements)
            let (xBytes, dyBytes) = (x.precision.byteCount, dy.precision.byteCount)
            let sums = try channelSums(plan) { chunk, sum, along in
                let table = chunk.image * plan.channels
                rectifid_scale_channels_moments(
                    x.bytes + chunk.at * xBytes, x.precision.format, dy.bytes + chunk.at * dyBytes, dy.precision.format,
                    tables.scale.pointer + table, tables.offset.pointer + table, silu, tables.mean.pointer + table, sum,
                    along, chunk.rows, plan.channels)
            }
            let (pull, level) = try plan.gradientTables(sums, numbers, weight: weight.elements)
            return try Tensor.building(x.shape, result, "group norm gradient") { out in
                eachChunk(plan) { chunk in
                    let table = chunk.image * plan.channels
                    rectifid_scale_channels_gradient(
                        x.bytes + chunk.at * xBytes, x.precision.format, dy.bytes + chunk.at * dyBytes,
                        dy.precision.format, tables.scale.pointer + table, tables.offset.pointer + table, silu,
                        pull.pointer + table, level.pointer + table, out + chunk.at * result.byteCount, result.format,
                        chunk.rows, plan.channels)
                }
            }
        }
    }

    public func layerNorm(
        _ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Float, result: Precision
    ) throws(TensorError) -> (output: Tensor, statistics: Tensor) {
        try profiled("layer norm", of: [x]) { () throws(TensorError) in
            let (rows, c) = (x.shape.rows, x.shape[-1])
            let memory = try Storage(floats: 2 * rows, operation: "layer norm")
            let mean = memory.base.assumingMemoryBound(to: Float.self)
            let output = try Tensor.building(x.shape, result, "layer norm") { out in
                split(rows, grain: max(1, CPU.elementGrain / max(1, c))) { part in
                    let first = part.lowerBound * c
                    rectifid_layer_normalize(
                        x.bytes + first * x.precision.byteCount, x.precision.format, weight.pointer, bias.pointer,
                        epsilon,
                        out + first * result.byteCount, result.format, mean + part.lowerBound,
                        mean + rows + part.lowerBound, part.count, c)
                }
            }
            return (output, Tensor(shape: [2, rows], storage: memory))
        }
    }

    public func layerNormGradient(
        _ x: Tensor, statistics: Tensor, weight: Tensor, _ dy: Tensor, result: Precision
    ) throws(TensorError) -> Tensor {
        try profiled("layer norm gradient", of: [x, dy]) { () throws(TensorError) in
            let (rows, c) = (x.shape.rows, x.shape[-1])
            let (xBytes, dyBytes) = (x.precision.byteCount, dy.precision.byteCount)
            return try Tensor.building(x.shape, result, "layer norm gradient") { out in
                split(rows, grain: max(1, CPU.elementGrain / max(1, c))) { part in
                    let first = part.lowerBound * c
                    rectifid_layer_normalize_gradient(
                        x.bytes + first * xBytes, x.precision.format, statistics.pointer + part.lowerBound,
                        statistics.pointer + rows + part.lowerBound, weight.pointer, dy.bytes + first * dyBytes,
                        dy.precision.format, out + first * result.byteCount, result.format, part.count, c)
                }
            }
        }
    }
}

extension CPU {
    private func eachChunk(_ plan: NormalizationPlan, _ body: (NormalizationPlan.Chunk) -> Void) {
        split(plan.chunks, grain: max(1, CPU.elementGrain / (plan.chunkRows * plan.channels))) { part in
            for index in part { body(plan.chunk(index)) }
        }
    }

    /// Two sums per channel of every image: float32 within a chunk, then double.
    private func channelSums(
        _ plan: NormalizationPlan,
        _ body: (NormalizationPlan.Chunk, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) throws(TensorError) -> (first: [Double], second: [Double]) {
        let c = plan.channels
        let partial = try Tensor.building([plan.chunks, 2, c], "group norm") { out in
            out.update(repeating: 0, count: plan.chunks * 2 * c)
            split(plan.chunks, grain: max(1, CPU.elementGrain / (plan.chunkRows * c))) { part in
                for index in part { body(plan.chunk(index), out + index * 2 * c, out + (index * 2 + 1) * c) }
            }
        }
        var first = [Double](repeating: 0, count: plan.images * c), second = first
        for index in 0..<plan.chunks {
            let from = partial.pointer + index * 2 * c, image = index / plan.chunksPerImage * c
            for channel in 0..<c {
                first[image + channel] += Double(from[channel])
                second[image + channel] += Double(from[c + channel])
            }
        }
        return (first, second)
    }

    /// The first pixel of every image, `[images, channels]`: sums about it do not cancel where a mean is large.
    private func firstPixels(_ x: Tensor, _ plan: NormalizationPlan) throws(TensorError) -> Tensor {
        let c = plan.channels
        return try Tensor.building([plan.images, c], "group norm") { out in
            for image in 0..<plan.images {
                let from = x.bytes + image * plan.pixels * c * x.precision.byteCount
                if x.precision == .float32 {
                    (out + image * c).update(from: from.assumingMemoryBound(to: Float.self), count: c)
                } else {
                    rectifid_widen_bfloat16(from.assumingMemoryBound(to: UInt16.self), out + image * c, c)
                }
            }
        }
    }
}
