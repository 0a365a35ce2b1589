import Autodiff
import Checkpoints
import Tensors

/// Turns an ONNX graph into a plan for inputs of given extents.
///
/// Walks the nodes once, keeping for each value its extents, its layout and, where it is known already, its numbers. What
/// depends on constants alone is computed here: old exporters surround a resize with a dozen nodes that work its size out
/// from shapes. Operators are in extensions, one file per family.
struct ONNXCompiler {
    let graph: ONNXGraph
    var weights: ONNXWeights
    let maximumElements: Int

    private(set) var values: [String: ONNXValue] = [:]
    private(set) var steps: [ONNXPlan.Step] = []
    private var slotCount = 0
    /// Which nodes read a value; a graph's output counts as one more reader.
    private var readers: [String: [Int]] = [:]
    /// Nodes whose work an earlier node does.
    private var absorbed: Set<Int> = []
    private var current = 0

    init(graph: ONNXGraph, weights: ONNXWeights, maximumElements: Int) {
        self.graph = graph
        self.weights = weights
        self.maximumElements = maximumElements
    }

    mutating func compile(inputs extents: [[Int]]) throws(ONNXError) -> ONNXPlan {
        for (index, node) in graph.nodes.enumerated() {
            for name in node.inputs where !name.isEmpty { readers[name, default: []].append(index) }
        }
        for name in graph.outputs { readers[name, default: []].append(graph.nodes.count) }
        for (name, tensor) in weights.values { values[name] = tensor.value }
        for (name, extents) in weights.released { values[name] = ONNXValue(source: .released, extents: extents) }
        for (input, extents) in zip(graph.inputs, extents) {
            try checkSize(extents, "input \(input.name)")
            values[input.name] = ONNXValue(
                source: .slot(slotCount), extents: extents, layout: extents.count == 4 ? .channelsLast : .plain)
            slotCount += 1
        }
        for (index, node) in graph.nodes.enumerated() where !absorbed.contains(index) {
            current = index
            let results = try lower(node)
            for (name, value) in zip(node.outputs, results) where !name.isEmpty { values[name] = value }
        }
        var outputs: [(name: String, operand: ONNXPlan.Operand)] = []
        for name in graph.outputs {
            guard let value = values[name] else { throw ONNXError(.malformed, "output \(name)", "nothing makes it") }
            outputs.append((name, try operand(try plain(value, "output \(name)"), "output \(name)")))
        }
        return ONNXPlan(inputCount: graph.inputs.count, slotCount: slotCount, steps: steps, outputs: outputs)
    }

    // MARK: Operands

    /// The value of a node's input, nil where it is not given.
    func input(_ node: ONNXNode, _ index: Int) throws(ONNXError) -> ONNXValue? {
        guard node.inputs.indices.contains(index), !node.inputs[index].isEmpty else { return nil }
        guard let value = values[node.inputs[index]] else {
            throw ONNXError(.malformed, node.place, "input \(node.inputs[index]) is made by no earlier node")
        }
        return value
    }

    func required(_ node: ONNXNode, _ index: Int) throws(ONNXError) -> ONNXValue {
        guard let value = try input(node, index) else {
            throw ONNXError(.malformed, node.place, "input \(index) is missing")
        }
        return value
    }

    /// The numbers of an input that must be known when the graph is compiled, in the file's order.
    mutating func constant(_ node: ONNXNode, _ index: Int) throws(ONNXError) -> Tensor? {
        guard let value = try input(node, index) else { return nil }
        guard case .constant(let tensor) = try plain(value, node.place).source else {
            throw ONNXError(.unsupported, node.place, "input \(node.inputs[index]) must be a constant in the file")
        }
        return tensor
    }

    mutating func requiredConstant(_ node: ONNXNode, _ index: Int) throws(ONNXError) -> Tensor {
        guard let tensor = try constant(node, index) else {
            throw ONNXError(.malformed, node.place, "input \(index) is missing")
        }
        return tensor
    }

    /// The integers of an input that must be known when the graph is compiled.
    func integers(_ node: ONNXNode, _ index: Int) throws(ONNXError) -> [Int]? {
        guard let value = try input(node, index) else { return nil }
        guard case .integers(let integers) = value.source else {
            throw ONNXError(
                .unsupported, node.place, "input \(node.inputs[index]) must be integers known from constants and shapes"
            )
        }
        return integers
    }

    /// An axis counted from the front.
    func axis(_ axis: Int, rank: Int, _ node: ONNXNode) throws(ONNXError) -> Int {
        guard axis >= -rank, axis < rank else {
            throw ONNXError(.malformed, node.place, "axis \(axis) of a value with \(rank) axes")
        }
        return axis < 0 ? axis + rank : axis
    }

    func operand(_ value: ONNXValue, _ place: String) throws(ONNXError) -> ONNXPlan.Operand {
        switch value.source {
        case .slot(let slot): return .slot(slot)
        case .constant(let tensor): return .constant(tensor)
        case .integers: throw ONNXError(.unsupported, place, "integers where numbers are needed")
        case .released: throw ONNXError(.unsupported, place, "a filter's weights are used in two ways")
        }
    }

    // MARK: Steps

    /// Adds a step, or takes it at once where all operands are known.
    ///
    /// - Parameters:
    ///   - extents: The result's, in the file's order.
    ///   - layout: The result's.
    mutating func emit(
        _ operands: [ONNXValue], extents: [Int], layout: ONNXValue.Layout = .plain, _ place: String,
        _ body: @escaping ONNXPlan.Body
    ) throws(ONNXError) -> ONNXValue {
        try checkSize(extents, place)
        var inputs: [ONNXPlan.Operand] = []
        var known: [Variable] = []
        for value in operands {
            let operand = try operand(value, place)
            if case .constant(let tensor) = operand { known.append(Variable(tensor)) }
            inputs.append(operand)
        }
        if known.count == operands.count {
            do {
                return ONNXValue(source: .constant(try body(known).tensor), extents: extents, layout: layout)
            } catch {
                throw ONNXError(.malformed, place, "\(error)")
            }
        }
        steps.append(ONNXPlan.Step(operands: inputs, result: slotCount, body: body, place: place))
        slotCount += 1
        return ONNXValue(source: .slot(slotCount - 1), extents: extents, layout: layout)
    }

    func checkSize(_ extents: [Int], _ place: String) throws(ONNXError) {
        let count = try shape(extents, place).count
        guard count <= maximumElements else {
            throw ONNXError(
                .tooLarge, place, "a value of \(extents) has \(count) elements; at most \(maximumElements) are allowed")
        }
    }

    /// `Shape` of extents that have been checked by `checkSize`.
    func shape(_ extents: [Int], _ place: String) throws(ONNXError) -> Shape {
        do { return try Shape(extents) } catch { throw ONNXError(.tooLarge, place, error.problem) }
    }

    /// Does something of the engine while compiling.
    func attempt<Result>(_ place: String, _ body: () throws(TensorError) -> Result) throws(ONNXError) -> Result {
        do { return try body() } catch { throw ONNXError(.computation, place, "\(error)") }
    }

    /// The only node that reads a node's result, if it is of the given operator and reads it as its first input.
    func soleReader(of node: ONNXNode, _ operation: String) -> (index: Int, node: ONNXNode)? {
        guard let name = node.outputs.first, let readers = readers[name], readers.count == 1,
            graph.nodes.indices.contains(readers[0])
        else { return nil }
        let reader = graph.nodes[readers[0]]
        return reader.operation == operation && reader.inputs.first == name ? (readers[0], reader) : nil
    }

    /// Marks a node as done by the current one, whose result becomes its result.
    mutating func absorb(_ index: Int, result: ONNXValue) {
        absorbed.insert(index)
        if let name = graph.nodes[index].outputs.first { values[name] = result }
    }

    /// Gives a weight back that only the current node reads.
    mutating func release(_ node: ONNXNode, _ index: Int) {
        let name = node.inputs[index]
        guard readers[name]?.count == 1, let extents = values[name]?.extents else { return }
        weights.release(name)
        if weights.released[name] != nil { values[name] = ONNXValue(source: .released, extents: extents) }
    }
}
