import TestSupport
import Testing

@testable import Tensors

/// Linear maps in float32 by packed weights, held to plain sums in double precision.
@Suite(.enabled(if: CPU.hasWideRegisters)) struct WideMatrixTests {
    /// Rows, inputs and outputs: few rows, more than a block of 512, less and more than a panel of 48 and than the 240 numbers
    /// that are summed at once.
    static let examples: [[Int]] = [
        [1, 16, 16], [7, 48, 80], [77, 96, 48], [65, 256, 112], [300, 64, 80], [129, 320, 656], [1100, 48, 32],
        [2, 1296, 496],
    ]

    /// a b, with b [n, k] transposed or [k, n].
    private func product(_ a: Tensor, _ b: Tensor, transposed: Bool) throws -> Tensor {
        let (left, right, k) = (a.elements, b.elements, a.shape[1])
        let n = transposed ? b.shape[0] : b.shape[1]
        var sums: [Float] = []
        for row in 0..<a.shape[0] {
            for column in 0..<n {
                var sum = 0.0
                for i in 0..<k {
                    sum += Double(left[row * k + i]) * Double(right[transposed ? column * k + i : i * n + column])
                }
                sums.append(Float(sum))
            }
        }
        return try Tensor(sums, shape: [a.shape[0], n])
    }

    @Test(arguments: examples) func mapsAreExactButForRounding(_ extents: [Int]) throws {
        var random = SeededNumbers(seed: 71)
        let (rows, inputs, outputs) = (extents[0], extents[1], extents[2])
        let x = try random.tensor([rows, inputs]), dy = try random.tensor([rows, outputs])
        let weights = try random.tensor([outputs, inputs]), bias = try random.tensor([outputs])
        let unbiased = try product(x, weights, transposed: true), dx = try product(dy, weights, transposed: false)
        let y = try CPU(threads: 1).binary(
            .add, unbiased, try bias.reshaped([1, outputs]), result: unbiased.shape)
        var bits: [[Float]] = []
        for threads in [1, 2, 7, 64] {
            let cpu = CPU(threads: threads), matrix = try cpu.matrix(weights, .float32)
            #expect(matrix is WideMatrix && matrix.shape == weights.shape && matrix.precision == .float32)
            let output = try cpu.linear(x, matrix, bias: bias, result: .float32)
            let slope = try cpu.linearInputGradient(dy, matrix, result: .float32)
            expectClose(output, y, within: 1e-6, "output")
            expectClose(slope, dx, within: 1e-6, "gradient")
            expectClose(try cpu.linear(x, matrix, bias: nil, result: .float32), unbiased, within: 1e-6, "no bias")
            let pointwise = try cpu.convolutionFilter(
                LayerWeights(try weights.reshaped([outputs, 1, 1, inputs])), .float32, for: Window())
            guard case .wideMatrix? = pointwise.few(for: Window()) else {
                Issue.record("a 1 x 1 kernel is not packed")
                return
            }
            let picture = try x.reshaped([1, rows, 1, inputs]), back = try dy.reshaped([1, rows, 1, outputs])
            let convolved = try cpu.convolve(picture, pointwise, bias: bias, Window(), result: .float32)
            let input = try cpu.convolveInputGradient(
                back, pointwise, Window(), input: picture.shape, result: .float32)
            #expect(convolved.shape == [1, rows, 1, outputs] && convolved.elements == output.elements)
            #expect(input.shape == picture.shape && input.elements == slope.elements)
            let narrow = try cpu.linear(try x.converted(to: .bfloat16), matrix, bias: bias, result: .bfloat16)
            #expect(narrow.precision == .bfloat16)
            expectClose(narrow, y, within: 8e-3, "bfloat16")
            bits.append(output.elements + slope.elements)
        }
        #expect(bits.allSatisfy { $0 == bits[0] }, "bits depend on the number of threads")
    }

    @Test(arguments: WideLevel.allCases, [[13, 320, 80], [6, 48, 272]])
    func everyLevelOfInstructionsGivesTheSame(_ level: WideLevel, _ extents: [Int]) throws {
        var random = SeededNumbers(seed: 72)
        let x = try random.tensor([extents[0], extents[1]]), dy = try random.tensor([extents[0], extents[2]])
        let weights = try random.tensor([extents[2], extents[1]])
        let cpu = CPU(threads: 1), matrix = try cpu.matrix(weights, .float32)
        let (y, dx) = try level.limiting {
            (
                try cpu.linear(x, matrix, bias: nil, result: .float32),
                try cpu.linearInputGradient(dy, matrix, result: .float32)
            )
        }
        expectClose(y, try product(x, weights, transposed: true), within: 1e-6, "output")
        expectClose(dx, try product(dy, weights, transposed: false), within: 1e-6, "gradient")
    }

    @Test(arguments: WideLevel.allCases) func convolutionsByFewProductsToo(_ level: WideLevel) throws {
        var random = SeededNumbers(seed: 73)
        let x = try random.tensor([1, 9, 10, 128]), weights = try random.tensor([144, 3, 3, 128])
        let window = Window(padding: 1), cpu = CPU(threads: 1)
        let filter = try cpu.filter(weights, .float32, for: window)
        let plain = CPU(threads: 1, convolution: .openBLAS)
        let y = try level.limiting { try cpu.convolve(x, filter, bias: nil, window, result: .float32) }
        let expected = try plain.convolve(
            x, try plain.filter(weights), bias: nil, window, result: .float32)
        expectClose(y, expected, within: 2e-6, "output")
    }

    @Test func noRowsAndOddSizes() throws {
        var random = SeededNumbers(seed: 74)
        let cpu = CPU(threads: 2), matrix = try cpu.matrix(try random.tensor([32, 16]), .float32)
        let none = try cpu.linear(try Tensor([], shape: [0, 16]), matrix, bias: nil, result: .float32)
        #expect(matrix is WideMatrix && none.shape == [0, 32])
        #expect(!cpu.packsWidely(outputs: 24, inputs: 16) && !cpu.packsWidely(outputs: 16, inputs: 8))
        #expect(!CPU(threads: 1, convolution: .openBLAS).packsWidely(outputs: 16, inputs: 16))
        #expect(try cpu.matrix(try random.tensor([3, 16]), .float32) is BLASMatrix)
    }
}
