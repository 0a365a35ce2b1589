/// How a group normalisation is cut: images in chunks of rows, whatever the number of threads, so that sums come out
/// the same bit for bit on any of them.
struct NormalizationPlan {
    struct Chunk {
        let image, rows: Int
        /// First element.
        let at: Int
    }

    let images, pixels, channels, groups, chunkRows, chunksPerImage: Int
    var chunks: Int { images * chunksPerImage }
    private var width: Int { channels / groups }
    private var count: Double { Double(pixels) * Double(width) }

    init(_ shape: Shape, groups: Int) {
        (images, channels, self.groups) = (shape[0], shape[-1], groups)
        pixels = shape.count / max(1, images * channels)
        chunkRows = max(1, min(256, (1 << 16) / channels))
        chunksPerImage = (pixels + chunkRows - 1) / chunkRows
    }

    func chunk(_ index: Int) -> Chunk {
        let (image, first) = (index / chunksPerImage, index % chunksPerImage * chunkRows)
        return Chunk(
            image: image, rows: min(chunkRows, pixels - first), at: (image * pixels + first) * channels)
    }

    /// Mean and 1 / sqrt(variance + epsilon) of every group, `[images, 2, groups]`, from sums about `shift`.
    func statistics(
        _ sums: (first: [Double], second: [Double]), shift: [Float], epsilon: Float
    ) throws(TensorError) -> [Float] {
        var result = [Float](repeating: 0, count: images * 2 * groups)
        for image in 0..<images {
            for group in 0..<groups {
                let members = image * channels + group * width..<image * channels + (group + 1) * width
                var total = 0.0, squares = 0.0
                for index in members { total += sums.first[index] + Double(pixels) * Double(shift[index]) }
                let mean = total / count
                for index in members {
                    let away = Double(shift[index]) - mean
                    squares += sums.second[index] + away * (2 * sums.first[index] + Double(pixels) * away)
                }
                result[image * 2 * groups + group] = Float(mean)
                result[(image * 2 + 1) * groups + group] = Float(
                    1 / (max(0, squares / count) + Double(epsilon)).squareRoot())
            }
        }
        return result
    }

    /// y = x scale + offset per channel, and the mean of each channel's group; `[images, channels]` each.
    func tables(
        _ statistics: [Float], weight: [Float], bias: [Float]
    ) throws(TensorError) -> (scale: Tensor, offset: Tensor, mean: Tensor) {
        var scale: [Float] = [], offset: [Float] = [], means: [Float] = []
        for image in 0..<images {
            for channel in 0..<channels {
                let mean = statistics[image * 2 * groups + channel / width]
                let factor = statistics[(image * 2 + 1) * groups + channel / width] * weight[channel]
                scale.append(factor)
                offset.append(bias[channel] - mean * factor)
                means.append(mean)
            }
        }
        let shape: Shape = [images, channels]
        return (
            try Tensor(scale, shape: shape), try Tensor(offset, shape: shape), try Tensor(means, shape: shape)
        )
    }

    /// What the derivative takes away: x pull - level per channel.
    func gradientTables(
        _ sums: (first: [Double], second: [Double]), _ statistics: [Float], weight: [Float]
    ) throws(TensorError) -> (pull: Tensor, level: Tensor) {
        var pull: [Float] = [], level: [Float] = []
        for image in 0..<images {
            for group in 0..<groups {
                let mean = Double(statistics[image * 2 * groups + group])
                let d = Double(statistics[(image * 2 + 1) * groups + group])
                var centre = 0.0, along = 0.0
                for channel in group * width..<(group + 1) * width {
                    centre += Double(weight[channel]) * sums.first[image * channels + channel]
                    along += Double(weight[channel]) * d * sums.second[image * channels + channel]
                }
                let slope = d * d * along / count
                pull += [Float](repeating: Float(slope), count: width)
                level += [Float](repeating: Float(mean * slope - d * centre / count), count: width)
            }
        }
        let shape: Shape = [images, channels]
        return (try Tensor(pull, shape: shape), try Tensor(level, shape: shape))
    }
}
