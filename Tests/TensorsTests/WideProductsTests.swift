import TestSupport
import Testing

@testable import Tensors

/// Convolutions in float32 by few products.
@Suite struct WideProductsTests {
    private let reference = CPU(threads: 1, convolution: .openBLAS)

    /// Sizes that no tile divides, one pixel, several pictures, less and more than a panel of 48 and than the 240 channels
    /// that are summed at once, more tiles than a block; few channels and many outputs, which go by tiles of two.
    static let examples: [[Int]] = [
        [1, 1, 1, 16, 16], [1, 2, 3, 32, 48], [2, 5, 7, 64, 80], [3, 8, 8, 16, 112], [1, 33, 50, 48, 32],
        [2, 4, 6, 320, 64], [1, 9, 10, 32, 656], [2, 3, 5, 496, 688], [1, 1, 1, 128, 128], [2, 5, 7, 128, 176],
        [3, 8, 12, 496, 144], [1, 41, 50, 144, 128], [0, 8, 8, 16, 16], [0, 8, 8, 128, 128],
    ]

    @Test(.enabled(if: CPU.hasWideProduct), arguments: examples, [1, 2])
    func convolutionsAreThePlainOnes(_ example: [Int], repeats: Int) throws {
        let (n, h, w, c, o) = (example[0], example[1], example[2], example[3], example[4])
        var random = SeededNumbers(seed: 51)
        let window = Window(padding: 1, repeats: repeats), input = try Shape([n, h, w, c])
        let x = try random.tensor(input), bias = try random.tensor([o]), weights = try random.tensor([o, 3, 3, c])
        let dy = try random.tensor([n, repeats * h, repeats * w, o])
        let plain = try reference.filter(weights)
        let y = try reference.convolve(x, plain, bias: bias, window, result: .float32)
        let unbiased = try reference.convolve(x, plain, bias: nil, window, result: .float32)
        let dx = try reference.convolveInputGradient(dy, plain, window, input: input, result: .float32)
        var bits: [[Float]] = []
        for threads in [1, 2, 5, 64] {
            let cpu = CPU(threads: threads)
            let filter = try cpu.convolutionFilter(LayerWeights(weights), .float32, for: window)
            guard case .wide? = filter.few(for: window) else {
                Issue.record("\(example) is not computed by few products")
                return
            }
            let output = try cpu.convolve(x, filter, bias: bias, window, result: .float32)
            let slope = try cpu.convolveInputGradient(dy, filter, window, input: input, result: .float32)
            expectClose(output, y, within: 2e-6, "output")
            expectClose(slope, dx, within: 2e-6, "gradient")
            expectClose(
                try cpu.convolve(x, filter, bias: nil, window, result: .float32), unbiased, within: 2e-6, "no bias")
            bits.append(output.elements + slope.elements)
            let narrow = try cpu.convolve(try x.converted(to: .bfloat16), filter, bias: bias, window, result: .bfloat16)
            #expect(narrow.precision == .bfloat16)
            expectClose(narrow, y, within: 8e-3, "bfloat16")
        }
        #expect(bits.allSatisfy { $0 == bits[0] }, "bits depend on the number of threads")
    }

    /// The sums of a convolution in double precision.
    private func exact(_ x: Tensor, _ weights: Tensor, repeats: Int) throws -> [Double] {
        let (h, w, c, o) = (repeats * x.shape[1], repeats * x.shape[2], x.shape[3], weights.shape[0])
        let pixels = x.elements, taps = weights.elements
        var sums = [Double](repeating: 0, count: h * w * o)
        for row in 0..<h {
            for column in 0..<w {
                for tap in 0..<9 {
                    let (y, x) = (row + tap / 3 - 1, column + tap % 3 - 1)
                    guard (0..<h).contains(y), (0..<w).contains(x) else { continue }
                    let at = (y / repeats * (w / repeats) + x / repeats) * c
                    for output in 0..<o {
                        var sum = 0.0
                        for channel in 0..<c {
                            sum += Double(pixels[at + channel]) * Double(taps[(output * 9 + tap) * c + channel])
                        }
                        sums[(row * w + column) * o + output] += sum
                    }
                }
            }
        }
        return sums
    }

    /// Rounding of the largest sums that go by tiles of four, of means other than zero too, and of the other kinds.
    @Test(arguments: [([1920, 128], 1, 0), ([640, 128], 1, 1), ([1280, 16], 2, 0), ([1280, 656], 1, 0)])
    func resultsAreWithinTwoMillionthsOfExactOnes(_ channels: [Int], repeats: Int, mean: Float) throws {
        var random = SeededNumbers(seed: 52)
        let cpu = CPU(threads: 2), window = Window(padding: 1, repeats: repeats)
        let side = channels[1] > 200 ? 4 : 8
        let x = try cpu.affine(try random.tensor([1, side, side, channels[0]]), scale: 1, shift: mean)
        let weights = try random.tensor([channels[1], 3, 3, channels[0]])
        let filter = try cpu.filter(weights, .float32, for: window)
        let y = try cpu.convolve(x, filter, bias: nil, window, result: .float32).elements
        let sums = try exact(x, weights, repeats: repeats)
        let square = zip(y, sums).reduce(0.0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
        let error = (square / sums.reduce(0) { $0 + $1 * $1 }).squareRoot()
        #expect(error < 2e-6, "\(channels), repeats \(repeats), mean \(mean): \(error)")
    }

    /// The derivative is the transposed map: <dy, conv(x)> = <dx, x> for any x and dy.
    @Test(arguments: [1, 2], [32, 144, 656]) func derivativesAreTransposes(repeats: Int, outputs: Int) throws {
        var random = SeededNumbers(seed: 53)
        let cpu = CPU(threads: 2), window = Window(padding: 1, repeats: repeats)
        let x = try random.tensor([2, 7, 9, 128])
        let filter = try cpu.filter(try random.tensor([outputs, 3, 3, 128]), .float32, for: window)
        let y = try cpu.convolve(x, filter, bias: nil, window, result: .float32)
        let dy = try random.tensor(y.shape)
        let dx = try cpu.convolveInputGradient(dy, filter, window, input: x.shape, result: .float32)
        func dot(_ a: Tensor, _ b: Tensor) -> Double {
            zip(a.elements, b.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        let scale = (dot(dy, dy) * dot(y, y)).squareRoot()
        #expect(abs(dot(dy, y) - dot(dx, x)) < 1e-6 * scale)
    }

    @Test(.enabled(if: CPU.hasWideProduct)) func whatDoesNotFitGoesTheOldWay() throws {
        let cpu = CPU(threads: 1), window = Window(padding: 1)
        #expect(cpu.wideKind([640, 3, 3, 1920], window) == .byFour)
        #expect(cpu.wideKind([656, 3, 3, 640], window) == .byTwo)
        #expect(cpu.wideKind([112, 3, 3, 640], window) == .byTwo && cpu.wideKind([640, 3, 3, 112], window) == .byTwo)
        #expect(cpu.wideKind([1280, 3, 3, 16], Window(padding: 1, repeats: 2)) == .enlarging)
        #expect(cpu.wideKind([16, 3, 3, 8], window) == nil && cpu.wideKind([3, 3, 3, 16], window) == nil)
        #expect(cpu.wideKind([16, 3, 3, 16], Window(stride: 2, padding: 1)) == nil)
        #expect(cpu.wideKind([16, 3, 3, 16], Window()) == nil)
        #expect(cpu.wideKind([16, 3, 3, 16], Window(padding: 1, repeats: 3)) == nil)
        #expect(cpu.wideKind([16, 5, 5, 16], window) == nil)
        for provider in [ConvolutionProvider.oneDNN, .openBLAS] {
            #expect(CPU(threads: 1, convolution: provider).wideKind([16, 3, 3, 16], window) == nil)
        }
    }
}
