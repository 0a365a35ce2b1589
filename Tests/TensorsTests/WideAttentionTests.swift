import Foundation
import TestSupport
import Testing

@testable import Tensors

/// Attention in float32 block by block, held to plain sums in double precision.
@Suite(.enabled(if: CPU.hasWideRegisters)) struct WideAttentionTests {
    /// What an attention takes, several heads side by side.
    struct Operands {
        static let heads = 3
        let q, k, v, dy: Tensor
        let size: Int

        init(images: Int = 1, queries: Int, keys: Int, size: Int, scale: Float = 1, seed: UInt64 = 61) throws {
            var random = SeededNumbers(seed: seed)
            let width = Operands.heads * size
            q = try random.tensor([images, queries, width], in: -scale...scale)
            k = try random.tensor([images, keys, width], in: -scale...scale)
            (v, dy) = (try random.tensor(k.shape), try random.tensor(q.shape))
            self.size = size
        }

        /// Output, log-sum-exp and the derivatives of queries, keys and values.
        func run(on cpu: CPU, keysAndValues: Bool = true) throws -> [Tensor] {
            #expect(cpu.canAttendWidely(q, k, heads: Operands.heads, causal: false))
            let (y, sums) = try cpu.attention(q, k, v, heads: Operands.heads, causal: false)
            let slopes = try cpu.attentionGradient(
                q, k, v, output: y, logSumExp: sums, dy, heads: Operands.heads, causal: false,
                keysAndValues: keysAndValues)
            #expect((slopes.k != nil) == keysAndValues && (slopes.v != nil) == keysAndValues)
            return [y, sums, slopes.q] + [slopes.k, slopes.v].compactMap { $0 }
        }

        /// The same by the definition.
        func exact() throws -> [Tensor] {
            let sum = ExactAttention(self)
            return try [
                Tensor(sum.output.map(Float.init), shape: q.shape),
                Tensor(sum.logSumExp.map(Float.init), shape: [q.shape[0], Operands.heads, q.shape[1]]),
                Tensor(sum.dq.map(Float.init), shape: q.shape), Tensor(sum.dk.map(Float.init), shape: k.shape),
                Tensor(sum.dv.map(Float.init), shape: v.shape),
            ]
        }
    }

    private static let names = ["output", "log-sum-exp", "queries", "keys", "values"]

    private func expectExact(_ operands: Operands, on cpu: CPU, _ note: String) throws {
        let expected = try operands.exact()
        for keysAndValues in [true, false] {
            let actual = try operands.run(on: cpu, keysAndValues: keysAndValues)
            for (name, (result, exact)) in zip(WideAttentionTests.names, zip(actual, expected)) {
                // A single key leaves nothing to choose: the derivatives of queries and keys are zero but for rounding.
                guard operands.k.shape[1] > 1 || !["queries", "keys"].contains(name) else {
                    #expect(result.elements.allSatisfy { abs($0) < 1e-5 }, "\(name), \(note)")
                    continue
                }
                expectClose(result, exact, within: 2e-6, "\(name), \(note)")
            }
        }
    }

    @Test(arguments: [1, 7, 65, 130], [1, 77, 481])
    func everythingIsExactButForRounding(queries: Int, keys: Int) throws {
        for size in [8, 24, 40, 64, 80, 160] {
            let operands = try Operands(queries: queries, keys: keys, size: size)
            try expectExact(operands, on: CPU(threads: 2), "\(queries) queries, \(keys) keys of \(size)")
        }
    }

    /// Heads whose blocks of keys are smaller, several images, more keys than two blocks.
    @Test(arguments: [[2, 20, 300, 168], [1, 9, 150, 512], [2, 3, 1000, 16], [3, 70, 50, 48]])
    func otherSizesToo(_ extents: [Int]) throws {
        let operands = try Operands(images: extents[0], queries: extents[1], keys: extents[2], size: extents[3])
        try expectExact(operands, on: CPU(threads: 2), "\(extents)")
    }

    @Test(arguments: WideLevel.allCases, [[6, 77, 40], [13, 241, 24], [7, 65, 80], [1, 481, 8]])
    func everyLevelOfInstructionsGivesTheSame(_ level: WideLevel, _ extents: [Int]) throws {
        let operands = try Operands(queries: extents[0], keys: extents[1], size: extents[2])
        try level.limiting { try expectExact(operands, on: CPU(threads: 1), "\(extents) by \(WideLevel.current)") }
    }

    @Test func bitsDoNotDependOnTheThreads() throws {
        let operands = try Operands(images: 2, queries: 200, keys: 700, size: 40)
        let bits = try [1, 2, 5, 64].map { try operands.run(on: CPU(threads: $0)).map(\.elements) }
        #expect(bits.allSatisfy { $0 == bits[0] })
    }

    /// Scores of ten thousand and more: what is not the highest vanishes without overflow, whatever block it is in.
    @Test func scoresFarApartStayFinite() throws {
        let operands = try Operands(queries: 70, keys: 1100, size: 16, scale: 200)
        let actual = try operands.run(on: CPU(threads: 2)), expected = try operands.exact()
        #expect((actual[1].elements.max() ?? 0) > 1e4)
        #expect(actual.allSatisfy { $0.elements.allSatisfy(\.isFinite) })
        // A score of 10^4 is rounded to 10^-3, and its exponential by as much.
        expectClose(actual[0], expected[0], within: 2e-3, "output")
        expectClose(actual[1], expected[1], within: 1e-6, "log-sum-exp")
        expectClose(actual[4], expected[4], within: 2e-3, "values")
        let low = try Operands(queries: 5, keys: 50, size: 8)
        // All scores about -10^4: padded keys, of score zero, must not outweigh them.
        let q = try Tensor(repeating: 100, shape: low.q.shape), k = try Tensor(repeating: -36, shape: low.k.shape)
        let (y, sums) = try CPU(threads: 1).attention(q, k, low.v, heads: Operands.heads, causal: false)
        let slopes = try CPU(threads: 1).attentionGradient(
            q, k, low.v, output: y, logSumExp: sums, low.dy, heads: Operands.heads, causal: false, keysAndValues: true)
        #expect(sums.elements.allSatisfy { $0 < -1e4 })
        let mean = try CPU(threads: 1).sum(low.v, to: [1, 1, low.v.shape[2]])
        #expect(zip(y.elements, mean.elements).allSatisfy { abs($0 - $1 / 50) < 1e-5 })
        for slope in [slopes.q, slopes.k, slopes.v].compactMap({ $0 }) {
            #expect(slope.elements.allSatisfy { abs($0) < 1e3 })
        }
    }

    @Test func aNumberThatIsNoneStaysVisible() throws {
        let operands = try Operands(queries: 3, keys: 50, size: 8)
        var numbers = operands.q.elements
        numbers[0] = .nan
        let q = try Tensor(numbers, shape: operands.q.shape)
        let y = try CPU(threads: 1).attention(q, operands.k, operands.v, heads: Operands.heads, causal: false).output
        #expect(y.elements.prefix(8).allSatisfy(\.isNaN) && y.elements.dropFirst(8).allSatisfy(\.isFinite))
    }

    @Test func whatDoesNotFitGoesTheOldWay() throws {
        let fits = try Operands(queries: 3, keys: 5, size: 8), odd = try Operands(queries: 3, keys: 5, size: 12)
        let cpu = CPU(threads: 1), heads = Operands.heads
        #expect(cpu.canAttendWidely(fits.q, fits.k, heads: heads, causal: false))
        #expect(!cpu.canAttendWidely(fits.q, fits.k, heads: heads, causal: true))
        #expect(!cpu.canAttendWidely(odd.q, odd.k, heads: heads, causal: false))
        let plain = CPU(threads: 1, convolution: .openBLAS)
        #expect(!plain.canAttendWidely(fits.q, fits.k, heads: heads, causal: false))
    }
}

/// An attention and its derivative as they are defined, every sum in double precision.
private struct ExactAttention {
    var output, logSumExp, dq, dk, dv: [Double]

    init(_ x: WideAttentionTests.Operands) {
        let (q, k, v, dy) = (x.q.elements, x.k.elements, x.v.elements, x.dy.elements)
        let (queries, keys, size) = (x.q.shape[1], x.k.shape[1], x.size)
        let heads = WideAttentionTests.Operands.heads, width = heads * size, scale = 1 / Double(size).squareRoot()
        (output, dq) = ([Double](repeating: 0, count: q.count), [Double](repeating: 0, count: q.count))
        (dk, dv, logSumExp) = ([Double](repeating: 0, count: k.count), [Double](repeating: 0, count: k.count), [])
        func dot(_ a: [Float], _ i: Int, _ b: [Float], _ j: Int) -> Double {
            (0..<size).reduce(0.0) { $0 + Double(a[i + $1]) * Double(b[j + $1]) }
        }
        for unit in 0..<x.q.shape[0] * heads {
            let (image, column) = (unit / heads, unit % heads * size)
            for row in 0..<queries {
                let at = (image * queries + row) * width + column
                func key(_ index: Int) -> Int { (image * keys + index) * width + column }
                let scores = (0..<keys).map { scale * dot(q, at, k, key($0)) }, top = scores.max() ?? 0
                let logarithm = top + log(scores.reduce(0) { $0 + exp($1 - top) })
                logSumExp.append(logarithm)
                let p = scores.map { exp($0 - logarithm) }, dp = (0..<keys).map { dot(dy, at, v, key($0)) }
                let delta = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
                for index in 0..<keys {
                    let (to, slope) = (key(index), scale * p[index] * (dp[index] - delta))
                    for i in 0..<size {
                        output[at + i] += p[index] * Double(v[to + i])
                        dq[at + i] += slope * Double(k[to + i])
                        dk[to + i] += slope * Double(q[at + i])
                        dv[to + i] += p[index] * Double(dy[at + i])
                    }
                }
            }
        }
    }
}
