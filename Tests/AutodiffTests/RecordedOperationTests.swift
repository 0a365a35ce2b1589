import Autodiff
import Checkpoints
import Tensors
import TestSupport
import Testing

/// Outputs and input gradients of single operations as PyTorch computes them in float64.
@Suite struct RecordedOperationTests {
    struct Example: Decodable, Sendable, CustomTestStringConvertible {
        struct Attributes: Decodable, Sendable {
            var stride, groups, heads, kernel: Int?
            var padding: Padding?
            var epsilon, minimum, maximum: Float?
            var causal: Bool?
            var size: Size?
        }

        /// Left, right, top, bottom; or one number for all.
        struct Padding: Decodable, Sendable {
            let sides: [Int]
            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                sides =
                    try (try? container.decode([Int].self))
                    ?? [Int](repeating: try container.decode(Int.self), count: 4)
            }
        }

        /// Height and width; or one number for both.
        struct Size: Decodable, Sendable {
            let extents: [Int]
            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                extents =
                    try (try? container.decode([Int].self))
                    ?? [Int](repeating: try container.decode(Int.self), count: 2)
            }
        }

        let name, operation, output: String
        let attributes: Attributes
        let inputs, gradients: [String: String]
        let cotangent: String?
        var testDescription: String { name }
    }

    private static let activations: [String: Activation] = [
        "silu": .silu, "gelu": .gelu, "sigmoid": .sigmoid, "relu": .relu, "quick_gelu": .quickGELU, "tanh": .tanh,
    ]
    private static let known: Set<String> = Set(activations.keys).union([
        "conv2d", "group_norm", "layer_norm", "attention", "geglu", "prelu", "clamp", "softmax", "linear", "nearest",
        "max_pool", "warp",
    ])
    private static let examples: [Example] =
        ((try? Golden.json([Example].self, "made/modules/ops.json")) ?? []).filter { known.contains($0.operation) }

    @Test func thereAreExamples() { #expect(RecordedOperationTests.examples.count >= 48) }

    @Test(arguments: examples) func outputAndGradientsAgree(_ example: Example) throws {
        let file = try Golden.tensors("made/modules/ops.safetensors")
        var inputs: [String: Tensor] = [:]
        for (role, name) in example.inputs { inputs[role] = try example.channelsLast(try file.tensor(name)) }
        let tape = Tape()
        var tracked: [String: Variable] = [:]
        for role in example.gradients.keys { tracked[role] = tape.track(try #require(inputs[role])) }
        let output = try example.run(inputs, tracked)
        expectClose(
            output.tensor, try example.channelsLast(try file.tensor(example.output)), within: 3e-6, example.name)

        let roles = example.gradients.keys.sorted()
        let cotangent = try example.channelsLast(try file.tensor(try #require(example.cotangent)))
        let gradients = try tape.gradients(
            of: output, withRespectTo: roles.compactMap { tracked[$0] }, seed: cotangent)
        for (role, gradient) in zip(roles, gradients) {
            let expected = try example.channelsLast(try file.tensor(try #require(example.gradients[role])))
            expectClose(gradient, expected, within: 2e-5, "\(example.name), gradient by \(role)")
        }
    }
}

extension RecordedOperationTests.Example {
    /// Pictures are channels first in the file, with or without a batch.
    func channelsLast(_ tensor: Tensor) throws -> Tensor {
        let isPicture = tensor.shape.rank == 4 || (operation == "warp" && tensor.shape.rank == 3)
        return isPicture ? try tensor.channelsLast() : tensor
    }

    func run(_ inputs: [String: Tensor], _ tracked: [String: Variable]) throws -> Variable {
        func variable(_ role: String) throws -> Variable {
            if let variable = tracked[role] { return variable }
            return Variable(try #require(inputs[role]))
        }
        let attributes = attributes
        switch operation {
        case "conv2d":
            let sides = try #require(attributes.padding).sides, stride = attributes.stride ?? 1
            let window = Window(
                strides: (stride, stride), padding: (top: sides[2], left: sides[0], bottom: sides[3], right: sides[1]),
                groups: attributes.groups ?? 1)
            let filter = try CPU.shared.filter(try #require(inputs["weight"]))
            return try variable("x").convolved(filter, bias: inputs["bias"], window)
        case "group_norm", "layer_norm":
            let weight = try #require(inputs["weight"]), bias = try #require(inputs["bias"])
            let epsilon = try #require(attributes.epsilon)
            guard operation == "group_norm" else {
                return try variable("x").layerNormalized(weight: weight, bias: bias, epsilon: epsilon)
            }
            return try variable("x").groupNormalized(
                groups: try #require(attributes.groups), weight: weight, bias: bias, epsilon: epsilon)
        case "attention":
            return try variable("query").attending(
                keys: try variable("key"), values: try variable("value"), heads: try #require(attributes.heads),
                causal: attributes.causal ?? false)
        case "linear":
            return try variable("x").linear(try CPU.shared.matrix(try #require(inputs["weight"])), bias: inputs["bias"])
        case "nearest":
            let size = try #require(attributes.size).extents
            return try variable("x").resizedNearest(height: size[0], width: size[1])
        case "max_pool":
            let kernel = try #require(attributes.kernel), padding = try #require(attributes.padding).sides[0]
            return try variable("x").maxPooled(
                kernel: (kernel, kernel), Window(stride: attributes.stride ?? kernel, padding: padding))
        case "warp":
            let size = try #require(attributes.size).extents
            let map = try inverse(of: try #require(inputs["matrix"]).elements.map(Double.init))
            return try variable("image").warped(map, height: size[0], width: size[1])
        case "geglu": return try variable("x").geglu()
        case "prelu": return try variable("x").prelu(slope: try #require(inputs["slope"]))
        case "clamp":
            return try variable("x").clamped(try #require(attributes.minimum), try #require(attributes.maximum))
        case "softmax": return try variable("x").softmax()
        default: return try variable("x").activated(try #require(RecordedOperationTests.activation(operation)))
        }
    }

    /// The file's matrix takes picture points to crop points; a warp samples the other way.
    private func inverse(of m: [Double]) throws -> AffineMap {
        let determinant = m[0] * m[4] - m[1] * m[3]
        try #require(determinant != 0)
        let (a, b, d, e) = (m[4] / determinant, -m[1] / determinant, -m[3] / determinant, m[0] / determinant)
        return AffineMap(a, b, -(a * m[2] + b * m[5]), d, e, -(d * m[2] + e * m[5]))
    }
}

extension RecordedOperationTests {
    static func activation(_ name: String) -> Activation? { activations[name] }
}
