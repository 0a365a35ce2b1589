import Autodiff
import Checkpoints
import Tensors

/// An ONNX graph made ready for inputs of certain shapes: a list of steps with prepared weights.
struct ONNXPlan: Sendable {
    typealias Body = @Sendable (_ operands: [Variable]) throws(TensorError) -> Variable

    enum Operand: Sendable {
        case slot(Int)
        case constant(Tensor)
    }

    struct Step: Sendable {
        let operands: [Operand]
        /// The slot that receives the result.
        let result: Int
        let body: Body
        /// The node, for errors.
        let place: String
    }

    /// Slots `0..<inputCount` are the inputs.
    let inputCount: Int
    let slotCount: Int
    let steps: [Step]
    let outputs: [(name: String, operand: Operand)]
    /// Slots that nobody reads after each step.
    private let finished: [[Int]]

    init(inputCount: Int, slotCount: Int, steps: [Step], outputs: [(name: String, operand: Operand)]) {
        self.inputCount = inputCount
        self.slotCount = slotCount
        self.steps = steps
        self.outputs = outputs
        var kept = Set<Int>()
        for case (_, .slot(let slot)) in outputs { kept.insert(slot) }
        var finished = [[Int]](repeating: [], count: steps.count)
        for (index, step) in steps.enumerated().reversed() {
            for case .slot(let slot) in step.operands where kept.insert(slot).inserted { finished[index].append(slot) }
        }
        self.finished = finished
    }

    func run(_ inputs: [Variable]) throws(ONNXError) -> [String: Variable] {
        var slots = [Variable?](repeating: nil, count: slotCount)
        for (index, input) in inputs.enumerated() { slots[index] = input }
        func read(_ operand: Operand, _ place: String) throws(ONNXError) -> Variable {
            switch operand {
            case .constant(let tensor): return Variable(tensor)
            case .slot(let slot):
                guard let value = slots[slot] else { throw ONNXError(.computation, place, "a value is missing") }
                return value
            }
        }
        for (index, step) in steps.enumerated() {
            var operands: [Variable] = []
            for operand in step.operands { operands.append(try read(operand, step.place)) }
            do {
                slots[step.result] = try step.body(operands)
            } catch {
                throw ONNXError(.computation, step.place, "\(error)")
            }
            for slot in finished[index] { slots[slot] = nil }
        }
        var results: [String: Variable] = [:]
        for (name, operand) in outputs { results[name] = try read(operand, "output \(name)") }
        return results
    }
}
