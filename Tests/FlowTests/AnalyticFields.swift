import Autodiff
import Flow
import Tensors

/// output = slope_k x + shift_k, so that a step of a velocity network is y = (1 + h_k slope_k) x + h_k shift_k.
struct AffineField: VelocityField {
    var slopes: [Float]
    var shifts: [Float]

    func callAsFunction(_ x: Variable, timestep: Float, step: Int) throws -> Variable {
        try x.scaled(by: slopes[step], plus: shifts[step])
    }
}

/// output = tanh(x W^T + t) over the channels: smooth and curved, its Jacobian not symmetric.
struct CurvedField: VelocityField {
    let weights: any Matrix

    init(_ rows: [[Float]]) throws {
        let weights = try Tensor(rows.flatMap { $0 }, shape: [rows.count, rows.count])
        self.weights = try weights.device.matrix(weights)
    }

    func callAsFunction(_ x: Variable, timestep: Float, step: Int) throws -> Variable {
        try x.linear(weights).scaled(by: 1, plus: timestep / 1000).activated(.tanh)
    }
}

/// output = x W^T + b over the channels.
struct LinearField: VelocityField {
    let weights: any Matrix
    let bias: Tensor

    init(_ rows: [[Float]], bias: [Float]) throws {
        let weights = try Tensor(rows.flatMap { $0 }, shape: [rows.count, rows.count])
        self.weights = try weights.device.matrix(weights)
        self.bias = try Tensor(bias, shape: [bias.count])
    }

    func callAsFunction(_ x: Variable, timestep: Float, step: Int) throws -> Variable {
        try x.linear(weights, bias: bias)
    }
}

/// Any function as a field.
struct FunctionField: VelocityField {
    let body: (_ x: Variable, _ step: Int) throws -> Variable

    func callAsFunction(_ x: Variable, timestep: Float, step: Int) throws -> Variable { try body(x, step) }
}

/// |x - target|^2 / 2, whose gradient is x - target.
struct SquaredDistance: Objective {
    let target: [Float]

    func callAsFunction(_ latent: Variable, iteration: Int) throws -> Evaluation<Int> {
        let difference = try latent.subtracting(Variable(try Tensor(target, shape: latent.shape)))
        let loss = try difference.multiplied(by: difference).sum().scaled(by: 0.5)
        return Evaluation(loss: loss, similarity: 1 / (1 + (try loss.tensor.number())), details: iteration)
    }
}

/// Numbers without a pattern, in [-1, 1), the same in every run.
func scattered(_ count: Int, seed: UInt64) -> [Float] {
    var generator = TorchGenerator(seed: seed)
    return (0..<count).map { _ in Float(generator.nextUInt32() >> 8) * 0x1p-23 - 1 }
}
