import TestSupport
import Testing

@testable import Tensors

/// Convolutions by few products and packed linear maps, held to the plain ones in float32.
@Suite struct FewProductsTests {
    private let reference = CPU(threads: 1, convolution: .openBLAS)

    /// Odd sizes, one pixel, several pictures, less and more than a panel of 48, a block of tiles and more; and channels
    /// that go the old way.
    static let examples: [[Int]] = [
        [1, 1, 1, 16, 16], [1, 2, 3, 32, 48], [2, 5, 7, 64, 80], [3, 8, 8, 16, 112], [1, 33, 20, 48, 32],
        [2, 4, 4, 320, 64], [0, 8, 8, 16, 16], [2, 6, 5, 8, 12],
    ]

    /// Products of other libraries may round otherwise where they are cut otherwise.
    private static var hasOwnProducts: Bool {
        #if arch(x86_64)
            CPU.hasFewProducts
        #else
            false
        #endif
    }

    @Test(arguments: examples, [1, 2])
    func convolutionsAreThoseOfTheRoundedNumbers(_ example: [Int], repeats: Int) throws {
        let (n, h, w, c, o) = (example[0], example[1], example[2], example[3], example[4])
        var random = SeededNumbers(seed: 41)
        let window = Window(padding: 1, repeats: repeats), input = try Shape([n, h, w, c])
        let x = try random.tensor(input).converted(to: .bfloat16).widened(), bias = try random.tensor([o])
        let weights = try random.tensor([o, 3, 3, c])
        let dy = try random.tensor([n, repeats * h, repeats * w, o]).converted(to: .bfloat16).widened()
        let wide = try reference.filter(weights)
        let y = try reference.convolve(x, wide, bias: bias, window, result: .float32)
        let dx = try reference.convolveInputGradient(dy, wide, window, input: input, result: .float32)
        var bits: [[Float]] = []
        for threads in [1, 2, 5, 64] {
            let cpu = CPU(threads: threads)
            let filter = try cpu.filter(weights, .bfloat16, for: window)
            #expect(filter.shape == weights.shape && filter.precision == .bfloat16)
            for (result, tolerance) in [(Precision.float32, 8e-3), (.bfloat16, 9e-3)] {
                let narrow = try cpu.convolve(x, filter, bias: bias, window, result: result)
                let slope = try cpu.convolveInputGradient(dy, filter, window, input: input, result: result)
                #expect(narrow.precision == result && slope.precision == result)
                expectClose(narrow, y, within: tolerance, "output")
                expectClose(slope, dx, within: tolerance, "gradient")
                if result == .float32 { bits.append(narrow.elements + slope.elements) }
            }
        }
        guard FewProductsTests.hasOwnProducts, c % 16 == 0, o % 16 == 0 else { return }
        #expect(bits.allSatisfy { $0 == bits[0] }, "bits depend on the number of threads")
    }

    #if arch(x86_64)
        /// A filter that was transformed for one window has no plain weights for another, and says so.
        @Test(arguments: [(Precision.bfloat16, 6e-3), (.float32, 2e-6)])
        func aTransformedFilterNamesItsWindow(precision: Precision, tolerance: Double) throws {
            guard precision == .bfloat16 ? CPU.hasFewProducts : CPU.hasWideProduct else { return }
            var random = SeededNumbers(seed: 42)
            let cpu = CPU(threads: 1), weights = try random.tensor([16, 3, 3, 16]),
                x = try random.tensor([1, 8, 8, 16])
            let same = try cpu.filter(weights, precision, for: Window(padding: 1))
            let error = #expect(throws: TensorError.self) {
                try cpu.convolve(x, same, bias: nil, Window(stride: 2, padding: 1), result: .float32)
            }
            #expect(error.map { "\($0)".contains("another window") } ?? false)
            // One for repeated pixels keeps them, since odd sizes are enlarged and cut before.
            let enlarging = try cpu.filter(weights, precision, for: Window(padding: 1, repeats: 2))
            expectClose(
                try cpu.convolve(x, enlarging, bias: nil, Window(padding: 1), result: .float32),
                try cpu.convolve(x, same, bias: nil, Window(padding: 1), result: .float32), within: tolerance, "plain")
        }

        @Test func fewerChannelsThanARegisterGoTheOldWay() throws {
            let cpu = CPU(threads: 1)
            #expect(cpu.winogradKind([16, 3, 3, 8], Window(padding: 1)) == nil)
            #expect(cpu.winogradKind([16, 3, 3, 16], Window(stride: 2, padding: 1)) == nil)
            #expect(cpu.winogradKind([16, 3, 3, 16], Window()) == nil)
            #expect(cpu.winogradKind([16, 3, 3, 16], Window(padding: 1, repeats: 3)) == nil)
            #expect(cpu.winogradKind([16, 5, 5, 16], Window(padding: 1)) == nil)
            #expect(!cpu.packs(outputs: 24, inputs: 16) && !cpu.packs(outputs: 16, inputs: 0))
            let other = CPU(threads: 1, convolution: .oneDNN)
            #expect(
                other.winogradKind([16, 3, 3, 16], Window(padding: 1)) == nil && !other.packs(outputs: 16, inputs: 16))
        }
    #endif

    @Test(arguments: [[1, 16, 16], [77, 96, 48], [300, 64, 80], [129, 320, 1296], [2000, 48, 32], [0, 16, 16]])
    func linearMapsAreThoseOfTheRoundedNumbers(_ extents: [Int]) throws {
        var random = SeededNumbers(seed: 43)
        let (rows, inputs, outputs) = (extents[0], extents[1], extents[2])
        let x = try random.tensor([rows, inputs]), dy = try random.tensor([rows, outputs])
        let weights = try random.tensor([outputs, inputs]), bias = try random.tensor([outputs])
        let wide = try reference.matrix(try weights.converted(to: .bfloat16).widened(), .float32)
        func rounded(_ x: Tensor) throws -> Tensor { try x.converted(to: .bfloat16).widened() }
        let y = try reference.linear(try rounded(x), wide, bias: bias, result: .float32)
        let dx = try reference.linearInputGradient(try rounded(dy), wide, result: .float32)
        var bits: [[Float]] = []
        for threads in [1, 2, 7] {
            let cpu = CPU(threads: threads), narrow = try cpu.matrix(weights, .bfloat16)
            let pointwise = try cpu.filter(
                try weights.reshaped([outputs, 1, 1, inputs]), .bfloat16, for: Window())
            for (result, tolerance) in [(Precision.float32, 2e-6), (.bfloat16, 4e-3)] {
                let output = try cpu.linear(x, narrow, bias: bias, result: result)
                let slope = try cpu.linearInputGradient(dy, narrow, result: result)
                expectClose(output, y, within: tolerance, "output")
                expectClose(slope, dx, within: tolerance, "gradient")
                let picture = try x.reshaped([rows, 1, 1, inputs])
                #expect(
                    try cpu.convolve(picture, pointwise, bias: bias, Window(), result: result).elements
                        == output.elements)
                if result == .float32 { bits.append(output.elements + slope.elements) }
            }
        }
        guard FewProductsTests.hasOwnProducts else { return }
        #expect(bits.allSatisfy { $0 == bits[0] }, "bits depend on the number of threads")
    }
}
