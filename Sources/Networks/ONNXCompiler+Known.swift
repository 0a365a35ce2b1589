import Checkpoints
import Tensors

/// Arithmetic of shapes: what exporters write into the graph although it is known as soon as the input's size is.
extension ONNXCompiler {
    /// Lists of integers describe shapes; a long one is a mistake or an attack.
    func checkIntegers(_ count: Int, _ node: ONNXNode) throws(ONNXError) {
        guard count >= 0, count <= 1 << 16 else {
            throw ONNXError(.tooLarge, node.place, "\(count) integers; at most 65536 are computed with")
        }
    }

    mutating func known(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        switch node.operation {
        case "Constant": return try literal(node)
        case "Shape":
            let extents = try required(node, 0).extents
            func bound(_ position: Int) -> Int {
                min(max(position < 0 ? position + extents.count : position, 0), extents.count)
            }
            let start = bound(try node.integer("start") ?? 0)
            let part = Array(extents[start..<max(start, bound(try node.integer("end") ?? extents.count))])
            return ONNXValue(source: .integers(part), extents: [part.count])
        case "Size": return ONNXValue(source: .integers([try required(node, 0).count]), extents: [])
        case "ConstantOfShape": return try filled(node)
        case "Cast": return try cast(node)
        case "Floor": return try rounded(node, .down)
        case "Ceil": return try rounded(node, .up)
        case "Equal":
            let (a, b) = (try required(node, 0), try required(node, 1))
            return try elementwise(node, [a, b]) { $0[0] == $0[1] ? 1 : 0 }
        default:
            let operands = [try required(node, 0), try required(node, 1), try required(node, 2)]
            return try elementwise(node, operands) { $0[0] != 0 ? $0[1] : $0[2] }
        }
    }

    private func literal(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        do {
            switch node.attributes.first(where: { $0.key.hasPrefix("value") })?.value {
            case .tensor(let tensor): return tensor.value
            case .integer(let integer): return ONNXValue(source: .integers([integer]), extents: [])
            case .integers(let list): return ONNXValue(source: .integers(list), extents: [list.count])
            case .number(let number): return ONNXValue(source: .constant(try Tensor(number)), extents: [])
            case .numbers(let list):
                return ONNXValue(source: .constant(try Tensor(list, shape: Shape([list.count]))), extents: [list.count])
            default: throw ONNXError(.unsupported, node.place, "a constant that is neither numbers nor integers")
            }
        } catch let error as TensorError {
            throw ONNXError(.computation, node.place, "\(error)")
        } catch let error as ONNXError {
            throw error
        } catch {
            throw ONNXError(.computation, node.place, "\(error)")
        }
    }

    private mutating func filled(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        guard let extents = try integers(node, 0) else { throw ONNXError(.malformed, node.place, "no extents") }
        try checkSize(extents, node.place)
        switch node.attributes["value"] {
        case .tensor(let tensor):
            switch tensor.elements {
            case .integers(let list):
                try checkIntegers(extents.reduce(1, *), node)
                let element = list.first ?? 0
                return ONNXValue(
                    source: .integers(.init(repeating: element, count: extents.reduce(1, *))), extents: extents)
            case .numbers(let numbers): return try filled(extents, with: numbers.elements.first ?? 0, node)
            }
        default: return try filled(extents, with: 0, node)
        }
    }

    private func filled(_ extents: [Int], with number: Float, _ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let shape = try shape(extents, node.place)
        let tensor = try attempt(node.place) { () throws(TensorError) in try Tensor(repeating: number, shape: shape) }
        return ONNXValue(source: .constant(tensor), extents: extents)
    }

    private mutating func cast(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let value = try required(node, 0)
        guard let type = try node.integer("to") else { throw ONNXError(.malformed, node.place, "the type is missing") }
        let toNumbers = [1, 10, 11, 16].contains(type)
        switch value.source {
        case .integers(let list):
            if !toNumbers { return type == 9 ? try elementwise(node, [value]) { $0[0] != 0 ? 1 : 0 } : value }
            let shape = try shape(value.extents, node.place)
            let tensor = try attempt(node.place) { () throws(TensorError) in
                try Tensor(list.map { Float($0) }, shape: shape)
            }
            return ONNXValue(source: .constant(tensor), extents: value.extents)
        case .constant where !toNumbers:
            try checkIntegers(value.count, node)
            guard case .constant(let tensor) = try plain(value, node.place).source else { return value }
            var list: [Int] = []
            for number in tensor.elements {
                guard abs(number) < 1e9 else { throw ONNXError(.malformed, node.place, "\(number) as an integer") }
                list.append(type == 9 ? (number != 0 ? 1 : 0) : Int(number))
            }
            return ONNXValue(source: .integers(list), extents: value.extents)
        default:
            guard toNumbers else { throw ONNXError(.unsupported, node.place, "computed numbers as integers") }
            return value
        }
    }

    private mutating func rounded(_ node: ONNXNode, _ rule: FloatingPointRoundingRule) throws(ONNXError) -> ONNXValue {
        let value = try required(node, 0)
        if case .integers = value.source { return value }
        try checkIntegers(value.count, node)
        let tensor = try requiredConstant(node, 0)
        let result = try attempt(node.place) { () throws(TensorError) in
            try Tensor(tensor.elements.map { $0.rounded(rule) }, shape: tensor.shape)
        }
        return ONNXValue(source: .constant(result), extents: value.extents)
    }

    func integerArithmetic(
        _ node: ONNXNode, _ a: (list: [Int], extents: [Int]), _ b: (list: [Int], extents: [Int])
    ) throws(ONNXError) -> ONNXValue {
        let operands = [
            ONNXValue(source: .integers(a.list), extents: a.extents),
            ONNXValue(source: .integers(b.list), extents: b.extents),
        ]
        let operation = node.operation
        return try elementwise(node, operands) { pair in
            let result: (partialValue: Int, overflow: Bool)
            switch operation {
            case "Add": result = pair[0].addingReportingOverflow(pair[1])
            case "Sub": result = pair[0].subtractingReportingOverflow(pair[1])
            case "Mul": result = pair[0].multipliedReportingOverflow(by: pair[1])
            default: result = pair[0].dividedReportingOverflow(by: pair[1])
            }
            return result.overflow ? nil : result.partialValue
        }
    }

    /// A function of corresponding integers, single ones being repeated; nil where it has no result.
    private func elementwise(
        _ node: ONNXNode, _ operands: [ONNXValue], _ body: ([Int]) -> Int?
    ) throws(ONNXError) -> ONNXValue {
        var lists: [[Int]] = []
        var extents: [Int] = []
        for operand in operands {
            guard case .integers(let list) = operand.source else {
                throw ONNXError(.unsupported, node.place, "only integers known from constants and shapes are supported")
            }
            try checkIntegers(list.count, node)
            lists.append(list)
            extents = try broadcast(extents, operand.extents, node)
        }
        let count = extents.reduce(1, *)
        guard lists.allSatisfy({ $0.count == count || $0.count == 1 }) else {
            throw ONNXError(.unsupported, node.place, "broadcasting of tables of integers")
        }
        var result: [Int] = []
        for index in 0..<count {
            guard let element = body(lists.map { $0.count == 1 ? $0[0] : $0[index] }) else {
                throw ONNXError(.malformed, node.place, "integer overflow or division by zero")
            }
            result.append(element)
        }
        return ONNXValue(source: .integers(result), extents: extents)
    }
}
