internal import CKernels

extension CPU {
    public func groupNorm(
        _ x: Tensor, groups: Int, weight: Tensor, bias: Tensor, epsilon: Float, silu: Bool
    ) throws(TensorError) -> (output: Tensor, statistics: Tensor) {
        let (images, c) = (x.shape[0], x.shape[-1])
        let pixels = x.shape.count / max(1, images * c)
        let statistics = try Tensor.building([images, 2, groups], "group norm") { out in
            split(images * groups, grain: max(1, CPU.elementGrain / max(1, pixels * c / groups))) { part in
                for unit in part {
                    let (image, group) = (unit / groups, unit % groups)
                    let width = c / groups
                    rectifid_group_statistics(
                        x.pointer + image * pixels * c + group * width, pixels, c, width, epsilon,
                        out + image * 2 * groups + group, out + (image * 2 + 1) * groups + group)
                }
            }
        }
        let output = try Tensor.building(x.shape, "group norm") { out in
            split(images * pixels, grain: max(1, CPU.elementGrain / c)) { part in
                for (image, rows) in CPU.perImage(part, pixels) {
                    let first = (image * pixels + rows.lowerBound) * c
                    let mean = statistics.pointer + image * 2 * groups
                    rectifid_group_normalize(
                        x.pointer + first, mean, mean + groups, weight.pointer, bias.pointer, silu, out + first,
                        rows.count, c, groups)
                }
            }
        }
        return (output, statistics)
    }

    public func groupNormGradient(
        _ x: Tensor, statistics: Tensor, groups: Int, weight: Tensor, bias: Tensor, silu: Bool, _ dy: Tensor
    ) throws(TensorError) -> Tensor {
        let (images, c) = (x.shape[0], x.shape[-1])
        let pixels = x.shape.count / max(1, images * c), width = c / groups
        return try Tensor.building(x.shape, "group norm gradient") { out in
            // A group is independent of the others: threads share an image by groups, not by rows.
            split(images * groups, grain: max(1, CPU.elementGrain / max(1, pixels * width))) { part in
                let scratch = UnsafeMutablePointer<Float>.allocate(capacity: 2 * width)
                defer { scratch.deallocate() }
                for unit in part {
                    let (image, group) = (unit / groups, unit % groups)
                    let first = image * pixels * c + group * width
                    let mean = statistics.pointer + image * 2 * groups + group
                    rectifid_group_normalize_gradient(
                        x.pointer + first, mean, mean + groups, weight.pointer + group * width,
                        bias.pointer + group * width, silu, dy.pointer + first, out + first, pixels, c, width, scratch)
                }
            }
        }
    }

    public func layerNorm(
        _ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Float
    ) throws(TensorError) -> (output: Tensor, statistics: Tensor) {
        let (rows, c) = (x.shape.rows, x.shape[-1])
        let memory = try Storage(floats: 2 * rows, operation: "layer norm")
        let mean = memory.base.assumingMemoryBound(to: Float.self)
        let output = try rowwise(x.shape, x.shape, "layer norm") { part, out in
            let first = part.lowerBound * c
            rectifid_layer_normalize(
                x.pointer + first, weight.pointer, bias.pointer, epsilon, out + first, mean + part.lowerBound,
                mean + rows + part.lowerBound, part.count, c)
        }
        return (output, Tensor(shape: [2, rows], storage: memory))
    }

    public func layerNormGradient(
        _ x: Tensor, statistics: Tensor, weight: Tensor, _ dy: Tensor
    ) throws(TensorError) -> Tensor {
        let (rows, c) = (x.shape.rows, x.shape[-1])
        return try rowwise(x.shape, x.shape, "layer norm gradient") { part, out in
            let first = part.lowerBound * c
            rectifid_layer_normalize_gradient(
                x.pointer + first, statistics.pointer + part.lowerBound, statistics.pointer + rows + part.lowerBound,
                weight.pointer, dy.pointer + first, out + first, part.count, c)
        }
    }

    /// A range of rows of all images as ranges within each image.
    private static func perImage(_ rows: Range<Int>, _ pixels: Int) -> [(image: Int, rows: Range<Int>)] {
        guard !rows.isEmpty else { return [] }
        return (rows.lowerBound / pixels...(rows.upperBound - 1) / pixels).map { image in
            let first = max(rows.lowerBound, image * pixels), end = min(rows.upperBound, (image + 1) * pixels)
            return (image, first - image * pixels..<end - image * pixels)
        }
    }
}
