import Autodiff
import Flow
import Tensors
import Testing

@Suite("Classifier-free guidance")
struct ClassifierFreeTests {
    @Test("The output goes past the negative prompt's by the scale", arguments: [Float(0.5), 1.5, 3, 4.5])
    func combination(scale: Float) throws {
        let negative = scattered(6, seed: 80)
        let positive = scattered(6, seed: 81)
        let combined = try ClassifierFreeGuidance(scale: scale).combining(
            negative: Variable(try Tensor(negative, shape: [1, 1, 2, 3])),
            positive: Variable(try Tensor(positive, shape: [1, 1, 2, 3])))
        let expected = zip(negative, positive).map { $0 + scale * ($1 - $0) }
        #expect(close(combined.tensor.elements, expected, 1e-6))
    }

    @Test("A batch holds the negative prompt first, and its gradient is that of both")
    func batch() throws {
        let tape = Tape()
        let x = tape.track(try Tensor(scattered(6, seed: 82), shape: [1, 1, 2, 3]))
        // The negative prompt's network multiplies by 2, the prompt's by 5: 2 + 3 (5 - 2) = 11.
        let factors = Variable(try Tensor([2, 5], shape: [2, 1, 1, 1]))
        let guided = try ClassifierFreeGuidance(scale: 3).batched(x) { x in
            #expect(x.shape == [1, 1, 2, 3])
            return try Variable.concatenating([x, x], axis: 0).multiplied(by: factors)
        }
        #expect(close(guided.tensor.elements, x.tensor.elements.map { 11 * $0 }, 1e-5))
        let gradient = try tape.gradients(of: guided.sum(), withRespectTo: [x])[0]
        #expect(close(gradient.elements, [Float](repeating: 11, count: 6), 1e-5))
    }

    // The negative prompt's network multiplies by 2, the prompt's by 5: 2 + 3 (5 - 2) = 11, and 5 where both are taken to
    // have the prompt's Jacobian, whatever the scale.
    @Test(
        "A gradient through the prompt's branch alone takes its Jacobian for both and keeps no tape of the other",
        arguments: [(ClassifierFreeGuidance.Gradient.both, Float(11)), (.conditional, 5)])
    func branches(gradient: ClassifierFreeGuidance.Gradient, slope: Float) throws {
        let tape = Tape()
        let x = tape.track(try Tensor(scattered(6, seed: 82), shape: [1, 1, 2, 3]))
        let guided = try ClassifierFreeGuidance(scale: 3, gradient: gradient).separated(x) { x in
            #expect(x.isTracked == (gradient == .both))
            return try x.scaled(by: 2)
        } positive: { x in
            #expect(x.isTracked)
            return try x.scaled(by: 5)
        }
        #expect(close(guided.tensor.elements, x.tensor.elements.map { 11 * $0 }, 1e-5))
        let found = try tape.gradients(of: guided.sum(), withRespectTo: [x])[0]
        #expect(close(found.elements, [Float](repeating: slope, count: 6), 1e-5))
    }

    @Test("Up to a scale of one only the prompt is run", arguments: [Float(0), 1])
    func inactive(scale: Float) throws {
        let x = Variable(try Tensor(scattered(6, seed: 83), shape: [1, 1, 2, 3]))
        let output = try ClassifierFreeGuidance(scale: scale).batched(x) { alone in
            #expect(alone.shape == x.shape)
            return alone
        }
        #expect(output.tensor.elements == x.tensor.elements)
    }
}
