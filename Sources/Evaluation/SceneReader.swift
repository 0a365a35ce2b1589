import Autodiff
import Checkpoints
import Foundation
import Generation
import Networks
public import Raster
import Tensors

/// Reads what a picture shows besides the person: `scene.onnx`, and in `scene.json` what its outputs mean.
public struct SceneReader: Sendable {
    /// Attributes and their values, one attribute per output of the network.
    public struct Vocabulary: Sendable, Hashable {
        public let attributes: [String]
        public let values: [String: [String]]
    }

    public let vocabulary: Vocabulary
    private let network: ONNXNetwork
    private let width, height: Int
    private let path: String

    /// Reads both files of a folder, and tries the network once.
    ///
    /// - Throws: ``EvaluationError`` where one is absent, or the network's outputs are not those of the vocabulary.
    public init(folder: String) throws(EvaluationError) {
        let place = URL(fileURLWithPath: folder)
        let file = place.appendingPathComponent("scene.onnx").path
        vocabulary = try evaluating {
            try JSONFile.decode(Vocabulary.self, at: place.appendingPathComponent("scene.json").path)
        }
        let network = try evaluating(file) { try ONNXNetwork(file: file) }
        let shape = network.inputShape
        guard network.inputs.count == 1, shape.count == 4, shape[3] ?? 3 == 3, let height = shape[1],
            let width = shape[2], (1...1024).contains(width), (1...1024).contains(height)
        else { throw .mismatched("\(file): it must take one colour picture of a fixed size up to 1024") }
        guard network.outputs.count == vocabulary.attributes.count else {
            throw .mismatched(
                "\(file): it has \(network.outputs.count) outputs, scene.json names \(vocabulary.attributes.count)")
        }
        self.network = network
        (self.width, self.height, path) = (width, height, file)
        let grey = try evaluating { try Picture(width: width, height: height, fill: (128, 128, 128)) }
        _ = try self(grey)
    }

    /// What a picture shows, by attribute.
    public func callAsFunction(_ picture: Picture) throws(EvaluationError) -> [String: String] {
        try evaluating(path) {
            let input = try picture.resized(width: width, height: height).tensor()
            let outputs = try network([try Variable(input).scaled(by: 2, plus: -1)])
            var read: [String: String] = [:]
            for (attribute, output) in zip(vocabulary.attributes, network.outputs) {
                let logits = outputs[output]?.tensor.elements ?? [], values = vocabulary.values[attribute] ?? []
                guard logits.count == values.count, let best = logits.indices.max(by: { logits[$0] < logits[$1] })
                else {
                    throw EvaluationError.mismatched(
                        "\(attribute) has \(logits.count) numbers, scene.json \(values.count) values")
                }
                read[attribute] = values[best]
            }
            return read
        }
    }
}

extension SceneReader.Vocabulary: Decodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        var lists = try container.decode([String: [String]].self)
        let attributes = lists.removeValue(forKey: "outputs") ?? []
        let isComplete = attributes.allSatisfy { lists[$0]?.isEmpty == false }
        guard !attributes.isEmpty, isComplete, Set(attributes).count == attributes.count else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"outputs\" must name attributes, each with a list of values")
        }
        self.attributes = attributes
        values = lists.filter { attributes.contains($0.key) }
    }

    /// Refuses prompts that ask for a value that can never be read.
    ///
    /// - Returns: The attributes that can be measured: those that prompts ask for and the classifier reads.
    /// - Throws: ``EvaluationError/mismatched(_:)`` naming the prompt and the values there are.
    public func check(_ prompts: PromptSet) throws(EvaluationError) -> [String] {
        for prompt in prompts.prompts {
            for (attribute, value) in prompt.asked.sorted(by: { $0.key < $1.key }) {
                guard let known = values[attribute], !known.contains(value) else { continue }
                throw .mismatched(
                    "prompt \(prompt.text.debugDescription): \(attribute) \(value.debugDescription) is none of "
                        + known.joined(separator: ", "))
            }
        }
        return attributes.filter(prompts.attributes.contains)
    }
}
