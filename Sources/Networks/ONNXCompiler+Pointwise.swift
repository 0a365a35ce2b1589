import Autodiff
import Checkpoints
import Tensors

/// Operators that act on each element, and their broadcasting.
extension ONNXCompiler {
    mutating func pointwise(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let value = try required(node, 0)
        switch node.operation {
        case "Identity", "Dropout": return value
        case "Relu": return try each(node, value) { (x) throws(TensorError) in try x.activated(.relu) }
        case "Sigmoid": return try each(node, value) { (x) throws(TensorError) in try x.activated(.sigmoid) }
        case "Tanh": return try each(node, value) { (x) throws(TensorError) in try x.activated(.tanh) }
        case "Exp": return try each(node, value) { (x) throws(TensorError) in try x.activated(.exp) }
        case "Sqrt": return try each(node, value) { (x) throws(TensorError) in try x.activated(.sqrt) }
        case "Abs": return try each(node, value) { (x) throws(TensorError) in try x.absolute() }
        case "Neg": return try each(node, value) { (x) throws(TensorError) in try x.scaled(by: -1) }
        case "Reciprocal":
            return try each(node, value) { (x) throws(TensorError) in
                try Variable(try Tensor(1)).divided(by: x)
            }
        case "HardSigmoid":
            let (slope, shift) = (try node.number("alpha") ?? 0.2, try node.number("beta") ?? 0.5)
            return try each(node, value) { (x) throws(TensorError) in try x.scaled(by: slope, plus: shift).clamped(0, 1)
            }
        case "HardSwish":
            return try each(node, value) { (x) throws(TensorError) in
                try x.multiplied(by: x.scaled(by: 1 / 6, plus: 0.5).clamped(0, 1))
            }
        case "Clip": return try clip(node, value)
        case "LeakyRelu": return try rectified(node, value, slope: [try node.number("alpha") ?? 0.01], extents: [1])
        case "PRelu":
            let slope = try requiredConstant(node, 1)
            return try rectified(node, value, slope: slope.elements, extents: slope.shape.array)
        default: throw ONNXCompiler.unsupported(node)
        }
    }

    /// Applies a function of one element: the order in memory does not matter.
    private mutating func each(
        _ node: ONNXNode, _ value: ONNXValue, _ body: @escaping @Sendable (Variable) throws(TensorError) -> Variable
    ) throws(ONNXError) -> ONNXValue {
        try emit([value], extents: value.extents, layout: value.layout, node.place) { (x) throws(TensorError) in
            try body(x[0])
        }
    }

    private mutating func clip(_ node: ONNXNode, _ value: ONNXValue) throws(ONNXError) -> ONNXValue {
        let attributes = graph.opset < 11
        let low = attributes ? try node.number("min") : try constant(node, 1)?.elements.first
        let high = attributes ? try node.number("max") : try constant(node, 2)?.elements.first
        let (least, most) = (low ?? -Float.greatestFiniteMagnitude, high ?? Float.greatestFiniteMagnitude)
        return try each(node, value) { (x) throws(TensorError) in try x.clamped(least, most) }
    }

    /// x where positive, else slope times x.
    private mutating func rectified(
        _ node: ONNXNode, _ value: ONNXValue, slope: [Float], extents: [Int]
    ) throws(ONNXError) -> ONNXValue {
        let rank = value.extents.count
        guard rank > 0 else { throw ONNXError(.unsupported, node.place, "a single number") }
        if slope.count == 1 {
            let innermost = value.stored[rank - 1]
            return try prelu(node, value, slope: [Float](repeating: slope[0], count: innermost))
        }
        // One per channel: [C, 1, 1] or [1, C, 1, 1]; files converted from other frameworks also write [C].
        let channels = rank > 1 ? value.extents[1] : value.extents[0]
        let perChannel =
            slope.count == channels && extents.contains(channels)
            && (rank <= 2 || extents.last == 1 || extents == [channels])
        guard perChannel, rank <= 2 || rank == 4 else {
            throw ONNXError(
                .unsupported, node.place,
                "a slope of extents \(extents) for \(value.extents); one per channel is supported")
        }
        let placed = rank == 4 ? try channelsLast(value, node.place) : try plain(value, node.place)
        return try prelu(node, placed, slope: slope)
    }

    private mutating func prelu(_ node: ONNXNode, _ value: ONNXValue, slope: [Float]) throws(ONNXError) -> ONNXValue {
        let slopes = try attempt(node.place) { () throws(TensorError) in
            try Tensor(slope, shape: Shape([slope.count]))
        }
        return try each(node, value) { (x) throws(TensorError) in try x.prelu(slope: slopes) }
    }

    // MARK: Two operands

    mutating func binary(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let (a, b) = (try required(node, 0), try required(node, 1))
        if case .integers(let first) = a.source, case .integers(let second) = b.source {
            return try integerArithmetic(node, (first, a.extents), (second, b.extents))
        }
        let extents = try broadcast(a.extents, b.extents, node)
        if let scaled = try scaled(node, a, b, extents: extents) { return scaled }
        let (first, second) = try aligned(a, b, rank: extents.count, node.place)
        let layout = first.layout
        func emit(_ body: @escaping @Sendable (Variable, Variable) throws(TensorError) -> Variable) throws(ONNXError)
            -> ONNXValue
        {
            try self.emit([first, second], extents: extents, layout: layout, node.place) { (x) throws(TensorError) in
                try body(x[0], x[1])
            }
        }
        switch node.operation {
        case "Add": return try emit { (a, b) throws(TensorError) in try a.adding(b) }
        case "Sub": return try emit { (a, b) throws(TensorError) in try a.subtracting(b) }
        case "Mul": return try emit { (a, b) throws(TensorError) in try a.multiplied(by: b) }
        default: return try emit { (a, b) throws(TensorError) in try a.divided(by: b) }
        }
    }

    /// Arithmetic with a single constant needs no broadcasting and keeps no operand for the derivative.
    private mutating func scaled(
        _ node: ONNXNode, _ a: ONNXValue, _ b: ONNXValue, extents: [Int]
    ) throws(ONNXError) -> ONNXValue? {
        if case .constant(let tensor) = b.source, b.count == 1, extents == a.extents, let c = tensor.elements.first {
            switch node.operation {
            case "Add": return try each(node, a) { (x) throws(TensorError) in try x.scaled(by: 1, plus: c) }
            case "Sub": return try each(node, a) { (x) throws(TensorError) in try x.scaled(by: 1, plus: -c) }
            case "Mul": return try each(node, a) { (x) throws(TensorError) in try x.scaled(by: c) }
            default: return try each(node, a) { (x) throws(TensorError) in try x.divided(by: Variable(try Tensor(c))) }
            }
        }
        if case .constant(let tensor) = a.source, a.count == 1, extents == b.extents, let c = tensor.elements.first {
            switch node.operation {
            case "Add": return try each(node, b) { (x) throws(TensorError) in try x.scaled(by: 1, plus: c) }
            case "Sub": return try each(node, b) { (x) throws(TensorError) in try x.scaled(by: -1, plus: c) }
            case "Mul": return try each(node, b) { (x) throws(TensorError) in try x.scaled(by: c) }
            default: return try each(node, b) { (x) throws(TensorError) in try Variable(try Tensor(c)).divided(by: x) }
            }
        }
        return nil
    }

    /// Both operands with memory in the same order, so that broadcasting means what the file means.
    private mutating func aligned(
        _ a: ONNXValue, _ b: ONNXValue, rank: Int, _ place: String
    ) throws(ONNXError) -> (ONNXValue, ONNXValue) {
        if a.layout == b.layout, a.extents == b.extents { return (a, b) }
        guard rank == 4, a.layout == .channelsLast || b.layout == .channelsLast else {
            return (try plain(a, place), try plain(b, place))
        }
        return (try picture(a, place), try picture(b, place))
    }

    private mutating func picture(_ value: ONNXValue, _ place: String) throws(ONNXError) -> ONNXValue {
        var value = value
        if value.extents.count < 4 {
            value = try plain(value, place)
            let extents = [Int](repeating: 1, count: 4 - value.extents.count) + value.extents
            value = try view(value, stored: extents, extents: extents, layout: .plain, place)
        }
        return try channelsLast(value, place)
    }

    /// NumPy's rule.
    func broadcast(_ a: [Int], _ b: [Int], _ node: ONNXNode) throws(ONNXError) -> [Int] {
        let rank = max(a.count, b.count)
        let first = [Int](repeating: 1, count: rank - a.count) + a
        let second = [Int](repeating: 1, count: rank - b.count) + b
        var result: [Int] = []
        for (x, y) in zip(first, second) {
            guard x == y || x == 1 || y == 1 else {
                throw ONNXError(.malformed, node.place, "extents \(a) and \(b) do not go together")
            }
            result.append(x == 1 ? y : x)
        }
        return result
    }

    mutating func power(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let value = try required(node, 0)
        let exponent: Float
        if case .integers(let list) = try required(node, 1).source, list.count == 1 {
            exponent = Float(list[0])
        } else {
            let numbers = try requiredConstant(node, 1)
            guard let first = numbers.elements.first, numbers.shape.count == 1 else {
                throw ONNXError(.unsupported, node.place, "an exponent for each element")
            }
            exponent = first
        }
        switch exponent {
        case 1: return value
        case 2: return try each(node, value) { (x) throws(TensorError) in try x.multiplied(by: x) }
        case 3: return try each(node, value) { (x) throws(TensorError) in try x.multiplied(by: x).multiplied(by: x) }
        case 0.5: return try each(node, value) { (x) throws(TensorError) in try x.activated(.sqrt) }
        default: throw ONNXError(.unsupported, node.place, "exponent \(exponent); 0.5, 1, 2 and 3 are supported")
        }
    }
}
