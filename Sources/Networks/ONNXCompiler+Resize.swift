import Autodiff
import Checkpoints
import Tensors

/// Changes of a picture's size.
extension ONNXCompiler {
    mutating func resize(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let picture = try channelsLast(try required(node, 0), node.place)
        let (scales, extents) = try resizedExtents(node, picture.extents)
        guard extents[0] == picture.extents[0], extents[1] == picture.extents[1], extents[2] > 0, extents[3] > 0,
            picture.count > 0
        else {
            throw ONNXError(.unsupported, node.place, "\(picture.extents) to \(extents); only height and width change")
        }
        let sampling = try ResizeSampling(node, opset: graph.opset)
        let rows = sampling.weights(input: picture.extents[2], output: extents[2], scale: scales[2])
        let columns = sampling.weights(input: picture.extents[3], output: extents[3], scale: scales[3])
        let (height, width) = (extents[2], extents[3])
        if let down = rows.factor, let across = columns.factor {
            return try emit([picture], extents: extents, layout: .channelsLast, node.place) { (x) throws(TensorError) in
                try x[0].upsampled(height: down, width: across)
            }
        }
        if sampling.isHalfPixelLinear, scales[2] == Double(height) / Double(picture.extents[2]),
            scales[3] == Double(width) / Double(picture.extents[3])
        {
            return try emit([picture], extents: extents, layout: .channelsLast, node.place) { (x) throws(TensorError) in
                try x[0].resized(height: height, width: width)
            }
        }
        return try sampled(picture, rows: rows, columns: columns, extents: extents, node)
    }

    /// Scale per axis and the resulting extents.
    private mutating func resizedExtents(_ node: ONNXNode, _ extents: [Int]) throws(ONNXError) -> ([Double], [Int]) {
        if node.operation == "Resize", graph.opset > 10, let sizes = try integers(node, 3), !sizes.isEmpty {
            try axesAreAll(node)
            guard sizes.count == 4, try node.text("keep_aspect_ratio_policy") ?? "stretch" == "stretch",
                extents.allSatisfy({ $0 > 0 })
            else {
                throw ONNXError(.unsupported, node.place, "sizes \(sizes) must be four, without an aspect ratio policy")
            }
            try checkSize(sizes, node.place)
            return (zip(sizes, extents).map { Double($0) / Double($1) }, sizes)
        }
        let listed = node.operation == "Upsample" && graph.opset < 9
        let index = node.operation == "Resize" && graph.opset > 10 ? 2 : 1
        let scales = listed ? try node.numbers("scales") : try constant(node, index)?.elements
        try axesAreAll(node)
        guard let scales, scales.count == 4, scales.allSatisfy({ $0 > 0 && $0 <= 4096 }) else {
            throw ONNXError(.unsupported, node.place, "scales \(scales ?? []) must be four, above 0 and at most 4096")
        }
        return (scales.map { Double($0) }, zip(scales, extents).map { Int((Double($0) * Double($1)).rounded(.down)) })
    }

    private func axesAreAll(_ node: ONNXNode) throws(ONNXError) {
        guard try node.integers("axes") == nil else { throw ONNXError(.unsupported, node.place, "attribute axes") }
    }

    /// Any separable sampling, as one matrix product per axis.
    private mutating func sampled(
        _ picture: ONNXValue, rows: SamplingWeights, columns: SamplingWeights, extents: [Int], _ node: ONNXNode
    ) throws(ONNXError) -> ONNXValue {
        try checkSize([rows.outputs, rows.inputs], node.place)
        try checkSize([columns.outputs, columns.inputs], node.place)
        let (down, across) = try attempt(node.place) { () throws(TensorError) in
            (try rows.matrix(), try columns.matrix())
        }
        return try emit([picture], extents: extents, layout: .channelsLast, node.place) { (x) throws(TensorError) in
            // [N, H, W, C] to [N, H, C, W], widths sampled, to [N, W, C, H], heights sampled, and back.
            let wide = try x[0].transposed([0, 1, 3, 2]).linear(across)
            return try wide.transposed([0, 3, 2, 1]).linear(down).transposed([0, 3, 1, 2])
        }
    }
}

/// Which inputs an output pixel is made of, along one axis.
struct SamplingWeights {
    let inputs: Int
    /// Per output: a position and its weight, twice.
    let taps: [(first: Int, firstWeight: Float, second: Int, secondWeight: Float)]

    var outputs: Int { taps.count }

    /// The factor where each input is just repeated, nil otherwise.
    var factor: Int? {
        guard inputs > 0, outputs % inputs == 0 else { return nil }
        let factor = outputs / inputs
        let repeats = taps.enumerated().allSatisfy { index, tap in
            tap.first == index / factor && (tap.secondWeight == 0 || tap.second == tap.first)
        }
        return repeats ? factor : nil
    }

    func matrix() throws(TensorError) -> any Matrix {
        var elements = [Float](repeating: 0, count: outputs * inputs)
        for (row, tap) in taps.enumerated() {
            elements[row * inputs + tap.first] += tap.firstWeight
            elements[row * inputs + tap.second] += tap.secondWeight
        }
        let tensor = try Tensor(elements, shape: Shape([outputs, inputs]))
        return try tensor.device.matrix(tensor)
    }
}

/// How a Resize node places its samples.
struct ResizeSampling {
    private let isLinear: Bool
    private let coordinates: String
    private let rounding: String

    init(_ node: ONNXNode, opset: Int) throws(ONNXError) {
        let mode = try node.text("mode") ?? "nearest"
        guard ["nearest", "linear", "bilinear"].contains(mode) else {
            throw ONNXError(.unsupported, node.place, "mode \(mode); nearest and linear are supported")
        }
        isLinear = mode != "nearest"
        // Before version 11 there was no choice.
        let isOld = opset < 11 || node.operation == "Upsample"
        coordinates = isOld ? "asymmetric" : try node.text("coordinate_transformation_mode") ?? "half_pixel"
        rounding = isOld ? "floor" : try node.text("nearest_mode") ?? "round_prefer_floor"
        guard ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"].contains(coordinates),
            ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"].contains(rounding)
        else { throw ONNXError(.unsupported, node.place, "coordinates \(coordinates) with rounding \(rounding)") }
        guard try node.integer("antialias") ?? 0 == 0 else { throw ONNXError(.unsupported, node.place, "antialias") }
    }

    var isHalfPixelLinear: Bool { isLinear && coordinates == "half_pixel" }

    func weights(input: Int, output: Int, scale: Double) -> SamplingWeights {
        let last = input - 1
        let taps = (0..<output).map { index in
            let place = min(max(position(index, input: input, output: output, scale: scale), -1), Double(input))
            if isLinear {
                let inside = min(max(place, 0), Double(last))
                let first = Int(inside)
                let weight = Float(inside - Double(first))
                return (first: first, firstWeight: 1 - weight, second: min(first + 1, last), secondWeight: weight)
            }
            let nearest = min(max(Int(rounded(place)), 0), last)
            return (first: nearest, firstWeight: Float(1), second: nearest, secondWeight: Float(0))
        }
        return SamplingWeights(inputs: input, taps: taps)
    }

    private func position(_ index: Int, input: Int, output: Int, scale: Double) -> Double {
        switch coordinates {
        case "asymmetric": Double(index) / scale
        case "align_corners": output > 1 ? Double(index) * Double(input - 1) / Double(output - 1) : 0
        case "pytorch_half_pixel" where output == 1: 0
        default: (Double(index) + 0.5) / scale - 0.5
        }
    }

    private func rounded(_ place: Double) -> Double {
        switch rounding {
        case "floor": place.rounded(.down)
        case "ceil": place.rounded(.up)
        case "round_prefer_ceil": (place + 0.5).rounded(.down)
        default: (place - 0.5).rounded(.up)
        }
    }
}
