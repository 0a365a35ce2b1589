import Autodiff
import Checkpoints
import Tensors

extension ONNXCompiler {
    /// alpha A' B' + beta C.
    mutating func gemm(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        var a = try required(node, 0)
        let b = try required(node, 1)
        guard a.extents.count == 2, b.extents.count == 2 else {
            throw ONNXError(.malformed, node.place, "extents \(a.extents) and \(b.extents) are not matrices")
        }
        if try node.integer("transA") ?? 0 != 0 {
            a = try plain(a, node.place)
            a = try permute(a, axes: [1, 0], extents: [a.extents[1], a.extents[0]], layout: .plain, node.place)
        }
        let transposed = try node.integer("transB") ?? 0 != 0
        let (outputs, inputs) = transposed ? (b.extents[0], b.extents[1]) : (b.extents[1], b.extents[0])
        guard inputs == a.extents[1] else {
            throw ONNXError(.malformed, node.place, "extents \(a.extents) and \(b.extents) do not go together")
        }
        let alpha = try node.number("alpha") ?? 1
        let beta = try node.number("beta") ?? 1
        guard case .constant = b.source else {
            return try productOfValues(node, a, b, transposed: transposed, alpha: alpha, beta: beta)
        }
        var bias: [Float]?
        if let c = try input(node, 2) {
            guard [[], [1], [outputs], [1, outputs], [1, 1]].contains(c.extents) else {
                throw ONNXError(
                    .unsupported, node.place, "C of extents \(c.extents); one number per column is supported")
            }
            let numbers = try requiredConstant(node, 2).elements.map { $0 * beta }
            bias = numbers.count == outputs ? numbers : [Float](repeating: numbers[0], count: outputs)
        }
        return try linear(node, a, outputs: outputs, transposed: transposed, alpha: alpha, bias: bias)
    }

    mutating func matrixProduct(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let (a, b) = (try required(node, 0), try required(node, 1))
        guard a.extents.count >= 2, b.extents.count >= 2,
            a.extents[a.extents.count - 1] == b.extents[b.extents.count - 2]
        else { throw ONNXError(.unsupported, node.place, "extents \(a.extents) and \(b.extents)") }
        if case .constant = b.source, b.extents.count == 2 {
            return try linear(node, a, outputs: b.extents[1], transposed: false, alpha: 1, bias: nil)
        }
        guard b.extents.count == 2 || a.extents.dropLast(2) == b.extents.dropLast(2) else {
            throw ONNXError(
                .unsupported, node.place, "extents \(a.extents) and \(b.extents): leading extents must be equal")
        }
        let extents = a.extents.dropLast() + b.extents.suffix(1)
        let operands = [try plain(a, node.place), try plain(b, node.place)]
        return try emit(operands, extents: Array(extents), node.place) { (x) throws(TensorError) in
            try x[0].product(x[1])
        }
    }

    /// A product with constant weights, in the device's form; the normalisation that follows is multiplied in.
    private mutating func linear(
        _ node: ONNXNode, _ value: ONNXValue, outputs: Int, transposed: Bool, alpha: Float, bias: [Float]?
    ) throws(ONNXError) -> ONNXValue {
        var value = value
        if case .flattened = value.layout {} else { value = try plain(value, node.place) }
        let norm = value.extents.count == 2 ? soleReader(of: node, "BatchNormalization") : nil
        let weights = try preparedProduct(
            node, layout: value.layout, outputs: outputs, transposed: transposed, alpha: alpha, bias: bias,
            norm: norm?.node)
        var extents = value.extents
        extents[extents.count - 1] = outputs
        let result = try emit([value], extents: extents, node.place) { (x) throws(TensorError) in
            try x[0].linear(weights.matrix, bias: weights.bias)
        }
        if let norm { absorb(norm.index, result: result) }
        return result
    }

    private mutating func preparedProduct(
        _ node: ONNXNode, layout: ONNXValue.Layout, outputs: Int, transposed: Bool, alpha: Float, bias: [Float]?,
        norm: ONNXNode?
    ) throws(ONNXError) -> ONNXWeights.Product {
        var key = node.outputs.first ?? ""
        // The columns' order depends on the picture that was flattened, hence the weights do.
        if case .flattened(let channels, let height, let width) = layout { key += " of \(channels)x\(height)x\(width)" }
        if let known = weights.products[key] { return known }
        let given = try requiredConstant(node, 1)
        var bias = bias
        var matrix = try attempt(node.place) { () throws(TensorError) in
            var matrix = transposed ? given : try given.device.transpose(given, axes: [1, 0])
            if alpha != 1 { matrix = try matrix.device.affine(matrix, scale: alpha, shift: 0) }
            guard case .flattened(let channels, let height, let width) = layout else { return matrix }
            let picture = try matrix.reshaped(Shape([outputs, channels, height, width]))
            return try picture.device.transpose(picture, axes: ONNXValue.channelsLastAxes).reshaped(matrix.shape)
        }
        if let norm {
            let affine = try channelAffine(norm, channels: outputs)
            matrix = try scaledRows(matrix, by: affine.scale, norm.place)
            bias = affine.applied(to: bias)
        }
        let prepared = try attempt(node.place) { () throws(TensorError) in
            ONNXWeights.Product(
                matrix: try matrix.device.matrix(matrix),
                bias: try bias.map { (list) throws(TensorError) in try Tensor(list, shape: Shape([list.count])) })
        }
        weights.products[key] = prepared
        return prepared
    }

    private mutating func productOfValues(
        _ node: ONNXNode, _ a: ONNXValue, _ b: ONNXValue, transposed: Bool, alpha: Float, beta: Float
    ) throws(ONNXError) -> ONNXValue {
        var b = try plain(b, node.place)
        if transposed {
            b = try permute(b, axes: [1, 0], extents: [b.extents[1], b.extents[0]], layout: .plain, node.place)
        }
        let extents = [a.extents[0], b.extents[1]]
        let product = try emit([try plain(a, node.place), b], extents: extents, node.place) { (x) throws(TensorError) in
            let product = try x[0].product(x[1])
            return alpha == 1 ? product : try product.scaled(by: alpha)
        }
        guard let c = try input(node, 2) else { return product }
        let sum = try broadcast(extents, c.extents, node)
        return try emit([product, try plain(c, node.place)], extents: sum, node.place) { (x) throws(TensorError) in
            try x[0].adding(beta == 1 ? x[1] : x[1].scaled(by: beta))
        }
    }

    mutating func layerNormalization(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let value = try plain(try required(node, 0), node.place)
        let rank = value.extents.count
        guard rank > 0, try self.axis(try node.integer("axis") ?? -1, rank: rank, node) == rank - 1 else {
            throw ONNXError(.unsupported, node.place, "only the innermost axis is supported")
        }
        let channels = value.extents[rank - 1]
        let epsilon = try node.number("epsilon") ?? 1e-5
        let scale = try requiredConstant(node, 1)
        let shift = try constant(node, 2)
        let (weight, bias) = try attempt(node.place) { () throws(TensorError) in
            let shape = try Shape([channels])
            // `??` does not pass typed errors on.
            let bias: Tensor
            if let shift { bias = try shift.reshaped(shape) } else { bias = try Tensor(repeating: 0, shape: shape) }
            return (try scale.reshaped(shape), bias)
        }
        return try emit([value], extents: value.extents, node.place) { (x) throws(TensorError) in
            try x[0].layerNormalized(weight: weight, bias: bias, epsilon: epsilon)
        }
    }
}
