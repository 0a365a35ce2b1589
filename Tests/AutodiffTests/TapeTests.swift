import Autodiff
import Tensors
import TestSupport
import Testing

@Suite struct TapeTests {
    @Test func constantsAreNotRecorded() throws {
        let x = Variable(try Tensor([1, 2, 3], shape: [3]))
        let y = try x.scaled(by: 2).activated(.silu)
        #expect(!y.isTracked)
    }

    @Test func gradientsReachResultsOfOperationsToo() throws {
        // y = 3x, L = sum(y^2): dL/dy = 2y, dL/dx = 6y.
        let tape = Tape()
        let x = tape.track(try Tensor([1, -2], shape: [2]))
        let y = try x.scaled(by: 3)
        let gradients = try tape.gradients(of: try y.multiplied(by: y).sum(), withRespectTo: [x, y])
        #expect(gradients[0].elements == [18, -36])
        #expect(gradients[1].elements == [6, -12])
    }

    @Test func anUnrelatedVariableHasZeroGradient() throws {
        let tape = Tape()
        let x = tape.track(try Tensor([1, 2], shape: [2])), other = tape.track(try Tensor([5], shape: [1]))
        let gradients = try tape.gradients(of: try x.sum(), withRespectTo: [other, x])
        #expect(gradients.map(\.elements) == [[0], [1, 1]])
    }

    @Test func aTapeIsConsumed() throws {
        let tape = Tape()
        let x = tape.track(try Tensor([1, 2], shape: [2]))
        let y = try x.scaled(by: 2).sum()
        _ = try tape.gradients(of: y, withRespectTo: [x])
        #expect(throws: TensorError.self) { try tape.gradients(of: y, withRespectTo: [x]) }
    }

    @Test func aLongChainIsReleasedWithoutRecursion() throws {
        let tape = Tape()
        var x = tape.track(try Tensor([1], shape: [1]))
        let start = x
        for _ in 0..<200_000 { x = try x.scaled(by: 1) }
        #expect(try tape.gradients(of: x, withRespectTo: [start])[0].elements == [1])
    }

    @Test func aVectorNeedsASeed() throws {
        let tape = Tape()
        let x = tape.track(try Tensor([1, 2], shape: [2]))
        #expect(throws: TensorError.self) { try tape.gradients(of: try x.scaled(by: 2), withRespectTo: [x]) }
    }

    @Test func aVariableOfAnotherTapeIsRefused() throws {
        let (tape, other) = (Tape(), Tape())
        let x = tape.track(try Tensor([1], shape: [1])), y = other.track(try Tensor([1], shape: [1]))
        #expect(throws: TensorError.self) { try tape.gradients(of: x, withRespectTo: [y]) }
    }

    /// What the user of a wrong shape reads: the operation and both shapes.
    @Test func errorsNameTheOperationAndBothShapes() throws {
        let a = Variable(try Tensor(repeating: 1, shape: [2, 3])),
            b = Variable(try Tensor(repeating: 1, shape: [4, 3]))
        let filter = try CPU.shared.filter(try Tensor(repeating: 1, shape: [8, 3, 3, 5]))
        let picture = Variable(try Tensor(repeating: 1, shape: [1, 4, 4, 3]))
        let refusals: [(String, String, () throws -> Variable)] = [
            ("add", "[4, 3]", { try a.adding(b) }),
            ("product", "[4, 3]", { try a.product(b) }),
            ("convolve", "[8, 3, 3, 5]", { try picture.convolved(filter) }),
            ("attention", "[1, 4, 4, 3]", { try picture.attending(keys: picture, values: picture, heads: 2) }),
            (
                "group norm", "[1, 4, 4, 3]",
                {
                    try picture.groupNormalized(groups: 2, weight: a.tensor, bias: a.tensor, epsilon: 1e-5)
                }
            ),
            ("reshape", "[2, 3]", { try a.reshaped([7]) }),
            ("concatenate", "[4, 3]", { try Variable.concatenating([a, b], axis: 1) }),
            ("slice", "[2, 3]", { try a.sliced(axis: 1, 2..<4) }),
        ]
        for (operation, shape, refused) in refusals {
            let error = try #require(throws: TensorError.self) { _ = try refused() }
            #expect(error.operation == operation)
            #expect(error.description.contains(shape), "\(error)")
        }
    }
}
