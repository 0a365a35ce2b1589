public import Autodiff
public import Tensors
public import Testing

/// Checks an operation's derivative against central differences along random directions.
///
/// With L = sum(f(x) * c) for a random c and a random direction v: (L(x + hv) - L(x - hv)) / 2h must be <dL/dx, v>. One
/// direction at a time for each input tests all elements of its gradient at once, and a wrong sign, a missing term or a
/// transposed axis cannot hide in it.
///
/// - Parameters:
///   - step: h; the operation's kinks must be further away than that from most elements.
///   - tolerance: Relative to the size of the derivative along the direction, floor 1.
public func checkGradient(
    of inputs: [Tensor], seed: UInt64 = 7, step: Float = 5e-3, tolerance: Double = 4e-3,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ operation: ([Variable]) throws -> Variable
) throws {
    var random = SeededNumbers(seed: seed)
    let tape = Tape()
    let tracked = inputs.map { tape.track($0) }
    let output = try operation(tracked)
    #expect(output.isTracked, "the operation recorded nothing", sourceLocation: sourceLocation)
    let cotangent = try random.tensor(output.shape)
    let gradients = try tape.gradients(of: output, withRespectTo: tracked, seed: cotangent)

    func loss(_ inputs: [Tensor]) throws -> Double {
        let value = try operation(inputs.map { Variable($0) }).tensor
        return value.device.dot(value, cotangent)
    }
    for (index, gradient) in gradients.enumerated() {
        #expect(gradient.shape == inputs[index].shape, sourceLocation: sourceLocation)
        for _ in 0..<4 {
            let direction = try random.tensor(gradient.shape)
            func moved(_ amount: Float) throws -> [Tensor] {
                var moved = inputs
                moved[index] = try Variable(moved[index]).adding(Variable(direction).scaled(by: amount)).tensor
                return moved
            }
            let measured = (try loss(try moved(step)) - (try loss(try moved(-step)))) / (2 * Double(step))
            let stated = gradient.device.dot(gradient, direction)
            let allowed = tolerance * max(1, abs(measured))
            #expect(
                abs(measured - stated) <= allowed,
                "input \(index) of shape \(gradient.shape): differences give \(measured), the derivative says \(stated)",
                sourceLocation: sourceLocation)
        }
    }
}
