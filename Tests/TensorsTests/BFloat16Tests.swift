import Foundation
import TestSupport
import Testing

@testable import Tensors

/// Operations on bfloat16 numbers against float32 operations on the same, rounded numbers.
@Suite struct BFloat16Tests {
    private let cpu = CPU(threads: 2)

    @Test func conversionRoundsToNearestAndTiesToEven() throws {
        let (one, next) = (UInt32(0x3f80_0000), UInt32(0x3f81_0000))
        let cases: [(UInt32, UInt32)] = [
            (one, one), (one + 0x7fff, one), (one + 0x8000, one), (one + 0x8001, next),
            (next + 0x8000, next + 0x1_0000),
            (0x8000_0000, 0x8000_0000), (0x7f80_0000, 0x7f80_0000), (0xff80_0000, 0xff80_0000),
            (0x7f7f_ffff, 0x7f80_0000), (0x0000_8001, 0x0001_0000),
        ]
        let x = try Tensor(cases.map { Float(bitPattern: $0.0) }, shape: [cases.count])
        let rounded = try x.converted(to: .bfloat16)
        #expect(rounded.precision == .bfloat16)
        #expect(rounded.elements.map(\.bitPattern) == cases.map(\.1))
        #expect(try rounded.converted(to: .float32).elements.map(\.bitPattern) == cases.map(\.1))
        // A NaN whose payload is in the lower half must not become infinity.
        let nan = try Tensor([Float(bitPattern: 0x7f80_0001)], shape: [1]).converted(to: .bfloat16)
        #expect(nan.elements[0].isNaN)
    }

    @Test(arguments: ConvolutionProviderTests.common + ConvolutionProviderTests.rare, [1, 2, 5])
    func convolutionsAreThoseOfTheRoundedNumbers(_ example: ConvolutionProviderTests.Example, threads: Int) throws {
        let (x, weights, bias, dy) = try example.operands()
        let narrow = try cpu.filter(weights, .bfloat16, for: nil), wide = try cpu.filter(try rounded(weights))
        for provider in [ConvolutionProvider.automatic, .openBLAS] {
            let cpu = CPU(threads: threads, convolution: provider)
            for (result, tolerance) in [(Precision.float32, 2e-6), (.bfloat16, 4e-3)] {
                for bias in [nil, bias] {
                    let y = try cpu.convolve(x, narrow, bias: bias, example.window, result: result)
                    #expect(y.precision == result)
                    expectClose(
                        y, try cpu.convolve(try rounded(x), wide, bias: bias, example.window, result: .float32),
                        within: tolerance, "output")
                }
                let dx = try cpu.convolveInputGradient(
                    try dy.converted(to: .bfloat16), narrow, example.window, input: example.input, result: result)
                #expect(dx.precision == result)
                expectClose(
                    dx,
                    try cpu.convolveInputGradient(
                        try rounded(dy), wide, example.window, input: example.input, result: .float32),
                    within: tolerance, "gradient")
            }
        }
    }

    @Test func linearMapsAreThoseOfTheRoundedNumbers() throws {
        var random = SeededNumbers(seed: 5)
        for (rows, inputs, outputs) in [(1, 7, 5), (77, 96, 130), (300, 64, 1), (129, 320, 40), (50, 1, 64)] {
            let x = try random.tensor([rows, inputs]), dy = try random.tensor([rows, outputs])
            let weights = try random.tensor([outputs, inputs]), bias = try random.tensor([outputs])
            let narrow = try cpu.matrix(weights, .bfloat16), wide = try cpu.matrix(try rounded(weights))
            #expect(narrow.shape == weights.shape && narrow.precision == .bfloat16)
            expectClose(
                try cpu.linear(x, narrow, bias: bias, result: .float32),
                try cpu.linear(try rounded(x), wide, bias: bias, result: .float32), within: 2e-6, "output")
            expectClose(
                try cpu.linearInputGradient(dy, narrow, result: .float32),
                try cpu.linearInputGradient(try rounded(dy), wide, result: .float32), within: 2e-6, "gradient")
        }
        let none = try cpu.linear(
            try Tensor([], shape: [0, 4]), try cpu.matrix(try random.tensor([3, 4]), .bfloat16), bias: nil,
            result: .float32)
        #expect(none.shape == [0, 3])
    }

    /// Both copies come from the one before, once the plain weights are gone.
    @Test func aFilterServesForwardDerivativeAndFallbackInAnyOrder() throws {
        let example = ConvolutionProviderTests.common[0]
        let (x, weights, _, dy) = try example.operands()
        let (fast, portable) = (CPU(threads: 2), CPU(threads: 2, convolution: .openBLAS))
        let filter = try fast.filter(weights, .bfloat16, for: nil)
        let other = try fast.filter(weights, .bfloat16, for: nil)
        let y = try fast.convolve(x, filter, bias: nil, example.window, result: .float32)
        let dx = try fast.convolveInputGradient(dy, filter, example.window, input: example.input, result: .float32)
        expectClose(
            try portable.convolve(x, filter, bias: nil, example.window, result: .float32), y, within: 2e-6, "fallback")
        let early = try fast.convolveInputGradient(dy, other, example.window, input: example.input, result: .float32)
        #expect(early.elements == dx.elements)
        #expect(try fast.convolve(x, other, bias: nil, example.window, result: .float32).elements == y.elements)
    }

    @Test(arguments: [false, true], [[1, 3, 5, 12], [2, 40, 33, 32], [1, 2, 2, 1280]])
    func groupNormReadsAndWritesEitherFormat(silu: Bool, extents: [Int]) throws {
        var random = SeededNumbers(seed: 8)
        let shape = try Shape(extents), c = shape[-1]
        let x = try rounded(try random.tensor(shape)), dy = try rounded(try random.tensor(shape))
        let weight = try random.tensor([c]), bias = try random.tensor([c])
        func run(_ format: Precision) throws -> (Tensor, Tensor) {
            let x = try x.converted(to: format), dy = try dy.converted(to: format)
            let (y, statistics) = try cpu.groupNorm(
                x, groups: 4, weight: weight, bias: bias, epsilon: 1e-5, silu: silu, result: format)
            let dx = try cpu.groupNormGradient(
                x, statistics: statistics, groups: 4, weight: weight, bias: bias, silu: silu, dy, result: format)
            #expect(y.precision == format && dx.precision == format)
            return (y, dx)
        }
        let (narrow, wide) = (try run(.bfloat16), try run(.float32))
        expectClose(narrow.0, wide.0, within: 3e-3, "output")
        expectClose(narrow.1, wide.1, within: 3e-3, "gradient")
        #expect(try cpu.converted(wide.0) == narrow.0.elements)
        #expect(try cpu.converted(wide.1) == narrow.1.elements)
    }

    @Test(arguments: [7, 512, 1030]) func layerNormReadsAndWritesEitherFormat(width: Int) throws {
        var random = SeededNumbers(seed: 9)
        let x = try rounded(try random.tensor([33, width])), dy = try rounded(try random.tensor([33, width]))
        let weight = try random.tensor([width]), bias = try random.tensor([width])
        func run(_ format: Precision) throws -> (Tensor, Tensor) {
            let x = try x.converted(to: format)
            let (y, statistics) = try cpu.layerNorm(x, weight: weight, bias: bias, epsilon: 1e-5, result: format)
            return (
                y,
                try cpu.layerNormGradient(
                    x, statistics: statistics, weight: weight, try dy.converted(to: format), result: format)
            )
        }
        let (narrow, wide) = (try run(.bfloat16), try run(.float32))
        #expect(try cpu.converted(wide.0) == narrow.0.elements)
        #expect(try cpu.converted(wide.1) == narrow.1.elements)
    }

    @Test(arguments: [3, 600]) func gatesReadAndWriteEitherFormat(width: Int) throws {
        var random = SeededNumbers(seed: 10)
        let x = try rounded(try random.tensor([40, 2 * width])), dy = try rounded(try random.tensor([40, width]))
        let (narrowX, narrowDy) = (try x.converted(to: .bfloat16), try dy.converted(to: .bfloat16))
        #expect(try cpu.converted(try cpu.geglu(x)) == (try cpu.geglu(narrowX)).elements)
        #expect(try cpu.converted(try cpu.gegluGradient(x, dy)) == (try cpu.gegluGradient(narrowX, narrowDy)).elements)
        let sum = try cpu.binary(.add, narrowX, narrowX, result: x.shape)
        #expect(sum.precision == .bfloat16)
        #expect(sum.elements == (try cpu.affine(x, scale: 2, shift: 0)).elements)
    }

    /// Blocks of queries and keys that are whole, cut off and odd; sizes of heads that fill a vector and that do not.
    @Test(arguments: [
        [2, 50, 31, 8], [1, 150, 1000, 40], [2, 64, 480, 64], [1, 65, 77, 160], [1, 3, 481, 80], [1, 1, 1, 2],
        [1, 130, 961, 6],
    ])
    func attentionOfRoundedNumbers(extents: [Int]) throws {
        var random = SeededNumbers(seed: 11)
        let (heads, width) = (3, 3 * extents[3])
        let queries = try Shape([extents[0], extents[1], width]), keys = try Shape([extents[0], extents[2], width])
        let q = try rounded(try random.tensor(queries)), k = try rounded(try random.tensor(keys))
        let v = try rounded(try random.tensor(keys)), dy = try rounded(try random.tensor(queries))
        func run(_ format: Precision, keysAndValues: Bool) throws -> [Tensor] {
            let parts = try [q, k, v, dy].map { try $0.converted(to: format) }
            let (y, sums) = try cpu.attention(parts[0], parts[1], parts[2], heads: heads, causal: false)
            let slopes = try cpu.attentionGradient(
                parts[0], parts[1], parts[2], output: y, logSumExp: sums, parts[3], heads: heads, causal: false,
                keysAndValues: keysAndValues)
            expectClose(sums, try cpu.attention(q, k, v, heads: heads, causal: false).logSumExp, within: 1e-4, "sums")
            #expect((slopes.k != nil) == keysAndValues && (slopes.v != nil) == keysAndValues)
            return [y, slopes.q] + [slopes.k, slopes.v].compactMap { $0 }
        }
        let expected = try run(.float32, keysAndValues: true)
        for keysAndValues in [true, false] {
            let actual = try run(.bfloat16, keysAndValues: keysAndValues)
            for ((name, narrow), wide) in zip(zip(["output", "q", "k", "v"], actual), expected) {
                #expect(narrow.precision == .bfloat16)
                // A single key leaves nothing to choose: the derivatives of queries and keys are zero.
                guard extents[2] > 1 || name == "output" || name == "v" else { continue }
                expectClose(narrow, wide, within: 1.2e-2, "\(name) of \(extents)")
            }
        }
    }

    /// Scores far apart: what is not the highest must vanish without overflow, whatever block it is in.
    @Test func attentionWithLargeScoresStaysFinite() throws {
        var random = SeededNumbers(seed: 12)
        let q = try cpu.affine(try random.tensor([1, 70, 16]), scale: 60, shift: 0)
        let k = try cpu.affine(try random.tensor([1, 1100, 16]), scale: 60, shift: 0)
        let v = try random.tensor([1, 1100, 16])
        try expectSameAttention(try rounded(q), try rounded(k), try rounded(v), heads: 2)
    }

    /// Every block of keys is above, or far below, all before it: earlier exponentials are scaled down again and again.
    @Test(arguments: [0.02, 1, 40, -0.02, -40]) func attentionWhoseScoresRise(slope: Double) throws {
        var random = SeededNumbers(seed: 13)
        let (queries, keys, size) = (70, 1030, 16)
        let q = try rounded(try Tensor(repeating: 1, shape: [1, queries, size]))
        let rising = (0..<keys).flatMap { key in
            [Float](repeating: Float(slope) * Float(key - keys / 2) / Float(size), count: size)
        }
        let k = try rounded(try Tensor(rising, shape: [1, keys, size]))
        let v = try rounded(try random.tensor([1, keys, size]))
        try expectSameAttention(q, k, v, heads: 1)
    }

    /// Both precisions' attention of numbers that bfloat16 holds exactly.
    private func expectSameAttention(_ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int) throws {
        let wide = try cpu.attention(q, k, v, heads: heads, causal: false)
        let narrow = try cpu.attention(
            try q.converted(to: .bfloat16), try k.converted(to: .bfloat16), try v.converted(to: .bfloat16),
            heads: heads, causal: false)
        expectClose(narrow.output, wide.output, within: 6e-3, "output")
        expectClose(narrow.logSumExp, wide.logSumExp, within: 1e-5, "sums")
    }

    /// Operations that compute in float32 only take the other format as well.
    @Test func everyOtherOperationTakesEitherFormat() throws {
        var random = SeededNumbers(seed: 12)
        let x = try rounded(try random.tensor([1, 6, 5, 4])), y = try rounded(try random.tensor([1, 6, 5, 4]))
        let slope = try random.tensor([4]), map = AffineMap(0.9, 0.1, 0.3, -0.1, 1.1, 0.2)
        let window = Window(stride: 2)
        let square = try rounded(try random.tensor([2, 3, 3]))
        let operations: [(String, (Tensor, Tensor) throws -> Tensor)] = [
            ("add", { try self.cpu.binary(.add, $0, try $1.converted(to: .float32), result: x.shape) }),
            ("multiply", { try self.cpu.binary(.multiply, $0, $1, result: x.shape) }),
            ("sum", { x, _ in try self.cpu.sum(x, to: [1, 1, 1, 4]) }),
            ("affine", { x, _ in try self.cpu.affine(x, scale: 3, shift: 1) }),
            ("clamp", { x, _ in try self.cpu.clamp(x, low: -0.5, high: 0.5) }),
            ("clamp gradient", { try self.cpu.clampGradient($0, $1, low: -0.5, high: 0.5) }),
            ("absolute", { x, _ in try self.cpu.absolute(x) }),
            ("absolute gradient", { try self.cpu.absoluteGradient($0, $1) }),
            ("dot", { try Tensor(Float(self.cpu.dot($0, $1))) }),
            ("silu", { x, _ in try self.cpu.activate(.silu, x) }),
            ("silu gradient", { try self.cpu.activateGradient(.silu, $0, $1) }),
            ("prelu", { x, _ in try self.cpu.prelu(x, slope: slope) }),
            ("prelu gradient", { try self.cpu.preluGradient($0, slope: slope, $1) }),
            ("softmax", { x, _ in try self.cpu.softmax(x) }),
            ("softmax gradient", { try self.cpu.softmaxGradient($0, $1) }),
            ("transpose", { x, _ in try self.cpu.transpose(x, axes: [0, 3, 1, 2]) }),
            ("slice", { x, _ in try self.cpu.slice(x, axis: 2, range: 1..<4) }),
            ("outer slice", { x, _ in try self.cpu.slice(x, axis: 0, range: 0..<1) }),
            ("embed", { x, _ in try self.cpu.embed(x, in: [1, 6, 9, 4], axis: 2, start: 3) }),
            ("concatenate", { try self.cpu.concatenate([$0, $1], axis: 3) }),
            ("gather", { x, _ in try self.cpu.gather(try x.reshaped([30, 4]), rows: [3, 0, 29]) }),
            ("nearest", { x, _ in try self.cpu.resizeNearest(x, height: 9, width: 10) }),
            ("nearest gradient", { x, _ in try self.cpu.resizeNearestGradient(x, input: [1, 3, 5, 4]) }),
            ("resize", { x, _ in try self.cpu.resize(x, height: 9, width: 4) }),
            ("resize gradient", { x, _ in try self.cpu.resizeGradient(x, input: [1, 3, 4, 4]) }),
            ("max pool", { x, _ in try self.cpu.maxPool(x, kernel: (2, 2), window) }),
            (
                "max pool gradient",
                {
                    try self.cpu.maxPoolGradient(
                        $0, try self.cpu.slice(try self.cpu.slice($1, axis: 1, range: 0..<3), axis: 2, range: 0..<2),
                        kernel: (2, 2), window)
                }
            ),
            ("warp", { x, _ in try self.cpu.warp(x, map, height: 7, width: 4) }),
            ("warp gradient", { x, _ in try self.cpu.warpGradient(x, map, input: [1, 5, 5, 4]) }),
            (
                "product",
                { x, _ in
                    let square = try square.converted(to: x.precision)
                    return try self.cpu.product(square, transposed: true, square, transposed: false)
                }
            ),
        ]
        let (narrowX, narrowY) = (try x.converted(to: .bfloat16), try y.converted(to: .bfloat16))
        for (name, operation) in operations {
            let expected = try operation(x, y), actual = try operation(narrowX, narrowY)
            #expect(actual.elements == expected.elements, "\(name)")
            #expect(expected.elements.contains { $0 != 0 }, "\(name)")
        }
    }

    private func rounded(_ x: Tensor) throws -> Tensor { try x.converted(to: .bfloat16).converted(to: .float32) }
}

extension CPU {
    /// Elements as bfloat16 keeps them.
    fileprivate func converted(_ x: Tensor) throws -> [Float] { try x.converted(to: .bfloat16).elements }
}
