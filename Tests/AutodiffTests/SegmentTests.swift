import Autodiff
import TestSupport
import Testing

@testable import Tensors

/// Parts of a tape that are given up and run again.
@Suite struct SegmentTests {
    /// A transformer's block and its surroundings, which use the block's input as well.
    private struct Block {
        let query, keyValue, widen, narrow: any Matrix
        let scale, shift: Tensor
        let precision: Precision
        let runs = Counter()

        final class Counter { var count = 0 }

        init(_ precision: Precision) throws {
            var random = SeededNumbers(seed: 41)
            func matrix(_ outputs: Int, _ inputs: Int) throws -> any Matrix {
                let weights = try random.tensor([outputs, inputs], in: -0.4...0.4)
                return try weights.device.matrix(LayerWeights(weights), precision)
            }
            (query, keyValue) = (try matrix(16, 16), try matrix(16, 16))
            (widen, narrow) = (try matrix(64, 16), try matrix(16, 32))
            (scale, shift) = (try random.tensor([16]), try random.tensor([16]))
            self.precision = precision
        }

        func callAsFunction(_ input: Variable) throws -> Variable {
            let x = try input.scaled(by: 1.5)
            let (state, gated) = try x.recomputable(effort: 16) { (x) throws(TensorError) -> (Variable, Variable) in
                runs.count += 1
                let attended = try x.adding(try attending(try norm(x)))
                return (attended, try norm(attended).linear(widen, result: precision).geglu())
            }
            return try state.adding(try gated.linear(narrow)).adding(x).activated(.tanh)
        }

        private func norm(_ x: Variable) throws(TensorError) -> Variable {
            try x.layerNormalized(weight: scale, bias: shift, epsilon: 1e-5, result: precision)
        }

        private func attending(_ x: Variable) throws(TensorError) -> Variable {
            let y = try x.linear(keyValue, result: precision)
            return try x.linear(query, result: precision).attending(keys: y, values: y, heads: 2)
                .linear(query)
        }
    }

    /// What was kept, what was released and an ordinary tape agree to the bit; attention over more than half as many keys
    /// as channels does not run again.
    @Test(arguments: [Precision.float32, .bfloat16], [4, 24])
    func whatRunsAgainGivesTheSameBits(precision: Precision, tokens: Int) throws {
        let block = try Block(precision)
        var random = SeededNumbers(seed: 42)
        let (input, seed) = (try random.tensor([2, tokens, 16]), try random.tensor([2, tokens, 16]))
        func gradient(_ tape: Tape, releases: Bool) throws -> (bits: [UInt32], runs: Int, attentions: Int) {
            block.runs.count = 0
            let x = tape.track(input)
            let y = try block(x)
            if releases {
                #expect(tape.leastEffort == 16)
                tape.release()
                #expect(tape.leastEffort == nil)
                tape.release()
            }
            let profile = OperationProfile()
            let found = try CPU.$profile.withValue(profile) {
                try tape.gradients(of: y, withRespectTo: [x], seed: seed)[0]
            }
            return (found.elements.map(\.bitPattern), block.runs.count, profile.entries["attention"]?.count ?? 0)
        }
        let plain = try gradient(Tape(), releases: false)
        let kept = try gradient(Tape(isReleasable: true), releases: false)
        let released = try gradient(Tape(isReleasable: true), releases: true)
        #expect(plain.runs == 1 && kept.runs == 1 && released.runs == 2)
        #expect(kept.bits == plain.bits && released.bits == plain.bits)
        #expect(plain.attentions == 0 && released.attentions == (tokens == 24 ? 0 : 1))
    }

    @Test func anOrdinaryTapeHasNothingToRelease() throws {
        let tape = Tape()
        _ = try Block(.float32)(tape.track(try Tensor(repeating: 1, shape: [1, 4, 16])))
        #expect(tape.leastEffort == nil)
    }

    /// Least effort first, among equals the first; what one gives up leaves memory, and nothing else does.
    @Test func segmentsGoByTheirEffort() throws {
        let tape = Tape(isReleasable: true)
        final class Kept { weak var storage: Storage? }
        var kept: [Kept] = []
        var x = tape.track(try Tensor(repeating: 0.5, shape: [4]))
        let start = x
        for effort in [3, 2, 3, 2] {
            let here = Kept()
            kept.append(here)
            x = try x.recomputable(effort: effort) { (x) throws(TensorError) in
                let middle = try x.scaled(by: 2)
                here.storage = middle.tensor.storage
                return try middle.activated(.silu)
            }
        }
        for (least, gone) in [(2, [1]), (2, [1, 3]), (3, [0, 1, 3]), (3, [0, 1, 2, 3])] {
            #expect(tape.leastEffort == least)
            tape.release()
            #expect(kept.indices.filter { kept[$0].storage == nil } == gone)
        }
        #expect(tape.leastEffort == nil)
        let gradient = try tape.gradients(of: try x.sum(), withRespectTo: [start, x])
        #expect(gradient[1].elements == [1, 1, 1, 1] && gradient[0].elements.allSatisfy { $0 > 0 })
    }

    @Test func aSegmentWithinAnotherIsPartOfIt() throws {
        func gradient(releases: Bool) throws -> [Float] {
            let tape = Tape(isReleasable: true)
            let x = tape.track(try Tensor([0.25, -1], shape: [2]))
            let y = try x.recomputable(effort: 1) { (x) throws(TensorError) in
                try x.activated(.tanh).recomputable(effort: 9) { (x) throws(TensorError) in
                    try x.activated(.silu).multiplied(by: x)
                }
            }
            #expect(tape.leastEffort == 1)
            if releases { tape.release() }
            #expect(tape.leastEffort == (releases ? nil : 1))
            return try tape.gradients(of: try y.sum(), withRespectTo: [x])[0].elements
        }
        #expect(try gradient(releases: true) == (try gradient(releases: false)))
    }

    /// A walk that ends within a segment, of which the last operation is not asked for.
    @Test func aReleasedSegmentIsEnteredInItsMiddle() throws {
        func gradients(releases: Bool) throws -> [[Float]] {
            let tape = Tape(isReleasable: true)
            let x = tape.track(try Tensor([0.5, 2], shape: [2]))
            let (a, b, c) = try x.recomputable(effort: 1) { (x) throws(TensorError) -> (Variable, Variable, Variable) in
                let a = try x.activated(.silu)
                let b = try a.activated(.tanh)
                return (a, b, try b.activated(.sigmoid))
            }
            _ = c
            if releases { tape.release() }
            return try tape.gradients(of: try b.activated(.silu).sum(), withRespectTo: [a, b]).map(\.elements)
        }
        #expect(try gradients(releases: true) == (try gradients(releases: false)))
    }
}
