import Autodiff
import Checkpoints
import Tensors

/// Convolutions, the normalisation after them, and pooling.
extension ONNXCompiler {
    mutating func convolution(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let picture = try channelsLast(try required(node, 0), node.place)
        let kernel = try required(node, 1).extents
        guard kernel.count == 4 else {
            throw ONNXError(
                .unsupported, node.place, "weights \(kernel); only two-dimensional convolution is supported")
        }
        let groups = try node.integer("group") ?? 1
        guard groups > 0, groups <= kernel[0], kernel[0] % groups == 0,
            picture.extents[1] % groups == 0, picture.extents[1] / groups == kernel[1]
        else {
            throw ONNXError(
                .malformed, node.place, "weights \(kernel) in \(groups) groups for an input of \(picture.extents)")
        }
        let window = try self.window(
            node, input: (picture.extents[2], picture.extents[3]), kernel: (kernel[2], kernel[3]), groups: groups)
        guard
            let size = window.outputSize(
                height: picture.extents[2], width: picture.extents[3], kernelHeight: kernel[2], kernelWidth: kernel[3])
        else { throw ONNXError(.malformed, node.place, "the kernel \(kernel) does not fit \(picture.extents)") }
        let norm = soleReader(of: node, "BatchNormalization")
        let weights = try preparedConvolution(node, kernel: kernel, norm: norm?.node)
        let result = try emit(
            [picture], extents: [picture.extents[0], kernel[0], size.height, size.width], layout: .channelsLast,
            node.place
        ) { (x) throws(TensorError) in
            try x[0].convolved(weights.filter, bias: weights.bias, window)
        }
        if let norm { absorb(norm.index, result: result) }
        return result
    }

    /// The filter in the device's form, the normalisation that follows multiplied in.
    private mutating func preparedConvolution(
        _ node: ONNXNode, kernel: [Int], norm: ONNXNode?
    ) throws(ONNXError) -> ONNXWeights.Convolution {
        let key = node.outputs.first ?? ""
        if let known = weights.convolutions[key] { return known }
        var filter = try requiredConstant(node, 1)
        var bias = try constant(node, 2)?.elements
        guard bias.map({ $0.count == kernel[0] }) ?? true else {
            throw ONNXError(.malformed, node.place, "\(bias?.count ?? 0) biases for \(kernel[0]) channels")
        }
        if let norm {
            let affine = try channelAffine(norm, channels: kernel[0])
            filter = try scaledRows(filter, by: affine.scale, norm.place)
            bias = affine.applied(to: bias)
        }
        let prepared = try attempt(node.place) { () throws(TensorError) in
            let ordered = try filter.device.transpose(filter, axes: ONNXValue.channelsLastAxes)
            return ONNXWeights.Convolution(
                filter: try ordered.device.filter(ordered),
                bias: try bias.map { (list) throws(TensorError) in
                    try Tensor(list, shape: Shape([list.count]))
                })
        }
        weights.convolutions[key] = prepared
        release(node, 1)
        return prepared
    }

    /// What a batch normalisation with frozen statistics does to a channel: scale * x + shift.
    struct ChannelAffine {
        let scale: [Float]
        let shift: [Float]

        /// The bias of a product whose result is normalised.
        func applied(to bias: [Float]?) -> [Float] {
            guard let bias else { return shift }
            return shift.indices.map { scale[$0] * bias[$0] + shift[$0] }
        }
    }

    mutating func channelAffine(_ node: ONNXNode, channels: Int) throws(ONNXError) -> ChannelAffine {
        guard try node.integer("training_mode") ?? 0 == 0, try node.integer("spatial") ?? 1 == 1 else {
            throw ONNXError(.unsupported, node.place, "only inference with one statistic per channel is supported")
        }
        let epsilon = try node.number("epsilon") ?? 1e-5
        let scale = try requiredConstant(node, 1).elements
        let shift = try requiredConstant(node, 2).elements
        let mean = try requiredConstant(node, 3).elements
        let variance = try requiredConstant(node, 4).elements
        guard [scale, shift, mean, variance].allSatisfy({ $0.count == channels }) else {
            throw ONNXError(.malformed, node.place, "its parameters are not one per channel (\(channels))")
        }
        let gain = scale.indices.map { scale[$0] / (variance[$0] + epsilon).squareRoot() }
        return ChannelAffine(scale: gain, shift: gain.indices.map { shift[$0] - mean[$0] * gain[$0] })
    }

    /// Multiplies the outermost axis of weights, one factor each.
    func scaledRows(_ weights: Tensor, by factors: [Float], _ place: String) throws(ONNXError) -> Tensor {
        try attempt(place) { () throws(TensorError) in
            let extents = [factors.count] + [Int](repeating: 1, count: weights.shape.rank - 1)
            let column = try Tensor(factors, shape: Shape(extents))
            return try weights.device.binary(.multiply, weights, column, result: weights.shape)
        }
    }

    mutating func batchNormalization(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        var value = try required(node, 0)
        let rank = value.extents.count
        guard rank >= 2 else { throw ONNXError(.malformed, node.place, "extents \(value.extents) have no channels") }
        value = rank == 4 ? try channelsLast(value, node.place) : try plain(value, node.place)
        let affine = try channelAffine(node, channels: value.extents[1])
        // Channels are innermost in memory, or followed by axes over which they are broadcast.
        let trailing = rank == 4 ? 0 : rank - 2
        let (scale, shift) = try attempt(node.place) { () throws(TensorError) in
            let shape = try Shape([value.extents[1]] + [Int](repeating: 1, count: trailing))
            return (try Tensor(affine.scale, shape: shape), try Tensor(affine.shift, shape: shape))
        }
        return try emit([value], extents: value.extents, layout: value.layout, node.place) { (x) throws(TensorError) in
            try x[0].multiplied(by: Variable(scale)).adding(Variable(shift))
        }
    }

    // MARK: Windows

    /// Strides, pads and dilations of a node.
    func window(
        _ node: ONNXNode, input: (height: Int, width: Int), kernel: (height: Int, width: Int), groups: Int = 1
    ) throws(ONNXError) -> Window {
        func list(_ attribute: String, _ count: Int, _ range: ClosedRange<Int>, _ standard: Int) throws(ONNXError)
            -> [Int]
        {
            let values = try node.integers(attribute) ?? [Int](repeating: standard, count: count)
            guard values.count == count, values.allSatisfy({ range.contains($0) }) else {
                throw ONNXError(.unsupported, node.place, "\(attribute) \(values) must be \(count) numbers in \(range)")
            }
            return values
        }
        let strides = try list("strides", 2, 1...4096, 1)
        let dilations = try list("dilations", 2, 1...4096, 1)
        var pads = try list("pads", 4, 0...4096, 0)
        if let declared = try node.integers("kernel_shape"), declared != [kernel.height, kernel.width] {
            throw ONNXError(.malformed, node.place, "kernel_shape \(declared) is not that of the weights")
        }
        let automatic = try node.text("auto_pad") ?? "NOTSET"
        switch automatic {
        case "NOTSET", "": break
        case "VALID": pads = [0, 0, 0, 0]
        case "SAME_UPPER", "SAME_LOWER":
            func same(_ extent: Int, _ kernel: Int, _ axis: Int) -> (Int, Int) {
                let outputs = (extent + strides[axis] - 1) / strides[axis]
                let reach = (outputs - 1) * strides[axis] + (kernel - 1) * dilations[axis] + 1
                let total = max(reach - extent, 0)
                let smaller = total / 2
                return automatic == "SAME_UPPER" ? (smaller, total - smaller) : (total - smaller, smaller)
            }
            let (rows, columns) = (same(input.height, kernel.height, 0), same(input.width, kernel.width, 1))
            pads = [rows.0, columns.0, rows.1, columns.1]
        default: throw ONNXError(.unsupported, node.place, "auto_pad \(automatic)")
        }
        return Window(
            strides: (strides[0], strides[1]), padding: (pads[0], pads[1], pads[2], pads[3]),
            dilations: (dilations[0], dilations[1]), groups: groups)
    }
}
