import Autodiff
import Tensors
import TestSupport
import Testing

/// Every operation's derivative against finite differences.
@Suite struct DerivativeTests {
    private func operands(_ shapes: Shape..., seed: UInt64 = 3, in range: ClosedRange<Float> = -1...1) throws
        -> [Tensor]
    {
        var random = SeededNumbers(seed: seed)
        return try shapes.map { try random.tensor($0, in: range) }
    }

    @Test func arithmeticWithBroadcasting() throws {
        let shapes: [(Shape, Shape)] = [
            ([2, 3, 4], [2, 3, 4]), ([2, 3, 4], [4]), ([2, 3, 4], [1, 3, 1]), ([4], [2, 3, 4]),
            ([2, 1, 4], [1, 3, 1]),
            ([3, 2], []),
        ]
        for (a, b) in shapes {
            let x = try operands(a, b, in: 0.5...1.5)
            try checkGradient(of: x) { try $0[0].adding($0[1]) }
            try checkGradient(of: x) { try $0[0].subtracting($0[1]) }
            try checkGradient(of: x) { try $0[0].multiplied(by: $0[1]) }
            try checkGradient(of: x) { try $0[0].divided(by: $0[1]) }
        }
    }

    @Test func oneVariableUsedTwice() throws {
        try checkGradient(of: try operands([3, 5])) { try $0[0].multiplied(by: $0[0]).adding($0[0]) }
    }

    @Test func scalingClampingAndSums() throws {
        let x = try operands([2, 3, 4])
        try checkGradient(of: x) { try $0[0].scaled(by: -2.5, plus: 0.75) }
        try checkGradient(of: x, step: 1e-3, tolerance: 2e-2) { try $0[0].clamped(-0.6, 0.7) }
        try checkGradient(of: x, step: 1e-3, tolerance: 2e-2) { try $0[0].absolute() }
        try checkGradient(of: x) { try $0[0].sum() }
        try checkGradient(of: x) { try $0[0].sum(over: [1]) }
        try checkGradient(of: x) { try $0[0].sum(over: [0, 2]) }
        try checkGradient(of: x) { try $0[0].mean(over: [-1]) }
        try checkGradient(of: x) { try $0[0].mean() }
    }

    @Test func cosineOfTwoVectors() throws {
        try checkGradient(of: try operands([1, 9], [9])) { try $0[0].cosine(with: $0[1]) }
    }

    @Test(arguments: Activation.allCases) func activations(_ f: Activation) throws {
        let range: ClosedRange<Float> = f == .sqrt ? 0.5...2 : -3...3
        let tolerance = f == .relu ? 3e-2 : 4e-3
        try checkGradient(of: try operands([2, 37], in: range), step: 2e-3, tolerance: tolerance) {
            try $0[0].activated(f)
        }
    }

    @Test func gatedActivationsAndSoftmax() throws {
        let slope = try operands([5], seed: 11)[0]
        try checkGradient(of: try operands([4, 5], in: -2...2), step: 1e-3, tolerance: 2e-2) {
            try $0[0].prelu(slope: slope)
        }
        try checkGradient(of: try operands([3, 2, 10], in: -2...2)) { try $0[0].geglu() }
        try checkGradient(of: try operands([3, 7], in: -2...2)) { try $0[0].softmax() }
    }

    @Test func linearMapsAndProducts() throws {
        let weights = try operands([6, 4], [6], seed: 5)
        let matrix = try CPU.shared.matrix(weights[0])
        try checkGradient(of: try operands([2, 3, 4])) { try $0[0].linear(matrix, bias: weights[1]) }
        try checkGradient(of: try operands([2, 3, 4], [2, 4, 5])) { try $0[0].product($0[1]) }
        try checkGradient(of: try operands([2, 3, 4], [4, 5])) { try $0[0].product($0[1]) }
    }

    struct ConvolutionCase: Sendable, CustomTestStringConvertible {
        let input, filter: Shape
        let window: Window
        var testDescription: String { "\(input) with \(filter), stride \(window.stride), groups \(window.groups)" }
    }

    @Test(arguments: [
        ConvolutionCase(input: [2, 5, 6, 3], filter: [4, 3, 3, 3], window: Window(padding: 1)),
        ConvolutionCase(input: [1, 7, 5, 3], filter: [4, 3, 3, 3], window: Window(stride: 2, padding: 1)),
        ConvolutionCase(input: [1, 8, 8, 2], filter: [3, 1, 1, 2], window: Window()),
        ConvolutionCase(input: [1, 8, 8, 2], filter: [3, 1, 1, 2], window: Window(stride: 2)),
        ConvolutionCase(
            input: [1, 9, 9, 4], filter: [6, 3, 3, 2],
            window: Window(
                strides: (2, 1), padding: (0, 1, 2, 1), dilations: (2, 1), groups: 2)),
        ConvolutionCase(input: [3, 40, 33, 2], filter: [2, 5, 3, 2], window: Window(padding: 2)),
        ConvolutionCase(input: [1, 12, 12, 3], filter: [2, 4, 4, 3], window: Window(stride: 4)),
    ])
    func convolutions(_ example: ConvolutionCase) throws {
        var random = SeededNumbers(seed: 17)
        let filter = try CPU.shared.filter(try random.tensor(example.filter))
        let bias = try random.tensor([example.filter[0]])
        try checkGradient(of: [try random.tensor(example.input)]) {
            try $0[0].convolved(filter, bias: bias, example.window)
        }
    }

    @Test(arguments: [(1, false), (2, false), (2, true)]) func attention(heads: Int, causal: Bool) throws {
        try checkGradient(of: try operands([2, 5, 8], [2, 5, 8], [2, 5, 8], in: -2...2), tolerance: 6e-3) {
            try $0[0].attending(keys: $0[1], values: $0[2], heads: heads, causal: causal)
        }
    }

    @Test func attentionOverManyBlocksOfQueries() throws {
        // 600 x 600 scores exceed one block: blocks of a head add onto the same keys' gradients.
        try checkGradient(of: try operands([1, 600, 4], [1, 600, 4], [1, 600, 4]), tolerance: 2e-2) {
            try $0[0].attending(keys: $0[1], values: $0[2], heads: 1)
        }
    }

    @Test(arguments: [false, true]) func normalisations(silu: Bool) throws {
        var random = SeededNumbers(seed: 23)
        let (weight, bias) = (try random.tensor([6], in: 0.5...1.5), try random.tensor([6]))
        try checkGradient(of: [try random.tensor([2, 3, 30, 6], in: -2...3)]) {
            try $0[0].groupNormalized(groups: 3, weight: weight, bias: bias, epsilon: 1e-5, silu: silu)
        }
        try checkGradient(of: [try random.tensor([2, 4, 6], in: -2...3)]) {
            try $0[0].layerNormalized(weight: weight, bias: bias, epsilon: 1e-5)
        }
    }

    @Test func movingElements() throws {
        let x = try operands([2, 3, 4, 5])
        try checkGradient(of: x) { try $0[0].reshaped([6, 20]) }
        try checkGradient(of: x) { try $0[0].transposed([0, 3, 1, 2]) }
        try checkGradient(of: x) { try $0[0].transposed([3, 1, 0, 2]) }
        for axis in 0..<4 { try checkGradient(of: x) { try $0[0].sliced(axis: axis, 1..<2) } }
        for axis in [0, 1, -1] {
            try checkGradient(of: try operands([2, 3, 4], [2, 3, 4])) {
                try Variable.concatenating([$0[0], $0[1], $0[0]], axis: axis)
            }
        }
    }

    @Test func resamplingPictures() throws {
        let x = try operands([2, 6, 5, 3])
        try checkGradient(of: x) { try $0[0].upsampled() }
        try checkGradient(of: x) { try $0[0].resizedNearest(height: 9, width: 3) }
        try checkGradient(of: x) { try $0[0].resized(height: 11, width: 4) }
        try checkGradient(of: x, step: 1e-3, tolerance: 3e-2) {
            try $0[0].maxPooled(kernel: (3, 3), Window(stride: 2, padding: 1))
        }
        // A turn, a scale and a shift that leaves a corner outside.
        try checkGradient(of: x) { try $0[0].warped(AffineMap(0.7, -0.3, 1.2, 0.3, 0.7, -0.8), height: 7, width: 8) }
    }
}
