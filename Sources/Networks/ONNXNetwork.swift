public import Autodiff
public import Checkpoints
import Synchronization
import Tensors

/// A network from an ONNX file, differentiable with respect to its inputs.
///
/// Pictures stay `[N, H, W, C]` throughout, as everywhere in the engine: inputs of rank 4 are given in this order although
/// the file says `[N, C, H, W]`. Outputs have the file's extents and order. The graph is compiled once per input shape;
/// weights are prepared once and shared. Usable from several threads at a time.
public final class ONNXNetwork: Sendable {
    /// What the file asks for; extents in the file's order, `[N, C, H, W]` for pictures.
    public let inputs: [ONNXInput]
    /// Names of the results, in the file's order.
    public let outputs: [String]

    private struct State {
        var weights: ONNXWeights
        var plans: [(shapes: [[Int]], plan: ONNXPlan)] = []
    }

    /// Plans kept, the oldest leaving first: callers use one or two sizes, and more would only hold memory.
    private static let planLimit = 8

    private let graph: ONNXGraph
    private let maximumElements: Int
    private let state: Mutex<State>

    /// Reads and prepares a network.
    ///
    /// - Parameters:
    ///   - limits: How much the file may ask for.
    ///   - maximumElements: Most elements of one intermediate value.
    /// - Throws: ``ONNXError`` where the file is malformed or uses what is not implemented; the latter is found out here
    ///   as far as it does not depend on input sizes that the file leaves open.
    public convenience init(
        file path: String, limits: ONNXLimits = .standard, maximumElements: Int = 1 << 28
    ) throws(ONNXError) {
        try self.init(ONNXGraph(file: path, limits: limits), maximumElements: maximumElements)
    }

    /// Prepares a network.
    ///
    /// - Parameter graph: Consumed, so that its weights are given back one by one as prepared filters replace them.
    public init(_ graph: consuming ONNXGraph, maximumElements: Int = 1 << 28) throws(ONNXError) {
        guard graph.opset >= 7 else {
            throw ONNXError(
                .unsupported, "file", "operator set \(graph.opset); 7 and later are supported. Export the model again")
        }
        let nodes = try ONNXNetwork.reachable(graph)
        for node in nodes where !ONNXCompiler.supports(node) { throw ONNXCompiler.unsupported(node) }
        inputs = graph.inputs
        outputs = graph.outputs
        self.maximumElements = maximumElements
        state = Mutex(State(weights: ONNXWeights(graph.initializers)))
        graph.nodes = nodes
        graph.initializers = [:]
        self.graph = graph
        // Where the batch is open, any size may come, but 1 surely will.
        let shapes = inputs.map { $0.extents.flatMap { ONNXNetwork.complete($0) } }
        if !shapes.contains(where: { $0 == nil }) { _ = try plan(for: shapes.compactMap { $0 }) }
    }

    /// Extents of the first input as `[N, H, W, C]`, nil where the caller decides.
    public var inputShape: [Int?] {
        guard let extents = inputs.first?.extents else { return [] }
        return extents.count == 4 ? ONNXValue.channelsLastAxes.map { extents[$0] } : extents
    }

    /// Runs the network.
    ///
    /// - Parameter inputs: One variable per input in the file's order; those of rank 4 are `[N, H, W, C]`.
    /// - Returns: The outputs by name, with the file's extents and order.
    /// - Throws: ``ONNXError`` where the inputs do not fit, an operator cannot handle the resulting shapes, or memory runs
    ///   out.
    public func callAsFunction(_ inputs: [Variable]) throws(ONNXError) -> [String: Variable] {
        guard inputs.count == self.inputs.count else {
            throw ONNXError(.input, "network", "\(inputs.count) inputs given; it takes \(self.inputs.count)")
        }
        var shapes: [[Int]] = []
        for (input, declared) in zip(inputs, self.inputs) {
            shapes.append(try ONNXNetwork.extents(of: input, declared))
        }
        return try plan(for: shapes).run(inputs)
    }

    /// Runs a network of one input and one output.
    ///
    /// - Throws: ``ONNXError`` as above, or where there are more.
    public func callAsFunction(_ input: Variable) throws(ONNXError) -> Variable {
        let results = try self([input])
        guard outputs.count == 1, let result = results[outputs[0]] else {
            throw ONNXError(.input, "network", "it has \(outputs.count) outputs where one is expected")
        }
        return result
    }

    private func plan(for shapes: [[Int]]) throws(ONNXError) -> ONNXPlan {
        try state.withLock { (state) throws(ONNXError) in
            if let known = state.plans.first(where: { $0.shapes == shapes }) { return known.plan }
            var compiler = ONNXCompiler(graph: graph, weights: state.weights, maximumElements: maximumElements)
            // Held in one place, so that what the compiler releases is freed at once.
            state.weights = ONNXWeights([:])
            defer { state.weights = compiler.weights }
            let plan = try compiler.compile(inputs: shapes)
            if state.plans.count >= ONNXNetwork.planLimit { state.plans.removeFirst() }
            state.plans.append((shapes, plan))
            return plan
        }
    }

    /// The file's extents of an input, after they have been found to fit.
    private static func extents(of input: Variable, _ declared: ONNXInput) throws(ONNXError) -> [Int] {
        let shape = input.shape.array
        let extents = shape.count == 4 ? ONNXValue.channelsFirstAxes.map { shape[$0] } : shape
        if let wanted = declared.extents {
            // A batch of any size goes through a network exported for one.
            let fits =
                wanted.count == extents.count
                && zip(wanted, extents).enumerated().allSatisfy { axis, pair in
                    axis == 0 || pair.0 == nil || pair.0 == pair.1
                }
            guard fits else {
                let described = wanted.map { $0.map(String.init) ?? "any" }.joined(separator: ", ")
                throw ONNXError(
                    .input, "input \(declared.name)", "extents \(extents) given; the file says [\(described)]")
            }
        }
        return extents
    }

    private static func complete(_ extents: [Int?]) -> [Int]? {
        let complete = extents.enumerated().compactMap { axis, extent in extent ?? (axis == 0 ? 1 : nil) }
        return complete.count == extents.count ? complete : nil
    }

    /// The nodes that the outputs depend on, in their order.
    private static func reachable(_ graph: ONNXGraph) throws(ONNXError) -> [ONNXNode] {
        var made: Set<String> = []
        for name in graph.nodes.flatMap(\.outputs) where !name.isEmpty && !made.insert(name).inserted {
            throw ONNXError(.malformed, "value \(name)", "two nodes make it")
        }
        var needed = Set(graph.outputs)
        var nodes: [ONNXNode] = []
        for node in graph.nodes.reversed() where node.outputs.contains(where: { !$0.isEmpty && needed.contains($0) }) {
            needed.formUnion(node.inputs)
            nodes.append(node)
        }
        guard !nodes.isEmpty else { throw ONNXError(.malformed, "file", "no node makes an output of the graph") }
        return nodes.reversed()
    }
}
