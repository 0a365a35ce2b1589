import Autodiff
public import Checkpoints
import Layers
public import Tensors

/// What a text encoder makes of a text of T tokens.
public struct TextEncoding: Sendable {
    /// States of the last layer after the final normalisation, `[1, T, C]`: the condition of Stable Diffusion 1 and 2.
    public let last: Tensor
    /// States of the layer before, not normalised, `[1, T, C]`: the condition of Stable Diffusion XL.
    public let penultimate: Tensor
    /// State of the end token in `last`, `[1, C]`, projected to `[1, P]` where the encoder has a projection.
    public let pooled: Tensor
}

/// The text half of CLIP (arXiv 2103.00020): a causal transformer over token ids.
public struct CLIPTextEncoder: Sendable {
    public let configuration: TextEncoderConfiguration
    private let tokens: Embedding  // embeddings.token_embedding
    private let positions: Embedding  // embeddings.position_embedding
    private let layers: [Layer]  // encoder.layers
    private let finalNorm: LayerNorm  // final_layer_norm
    private let projection: Linear?  // text_projection

    /// Loads the encoder; its keys may stand under `text_model` or not, as both are found in published files.
    ///
    /// - Throws: ``CheckpointError`` where a tensor is missing or has another shape than the configuration says.
    public init(_ configuration: TextEncoderConfiguration, _ weights: Weights) throws(CheckpointError) {
        self.configuration = configuration
        let nested = weights["text_model"]
        let model = nested.contains("embeddings.token_embedding.weight") ? nested : weights
        let width = configuration.width
        tokens = try model.embedding("embeddings.token_embedding", rows: configuration.vocabulary, width: width)
        positions = try model.embedding("embeddings.position_embedding", rows: configuration.positions, width: width)
        var layers: [Layer] = []
        for index in 0..<configuration.layers {
            layers.append(try Layer(configuration, model["encoder.layers"][index]))
        }
        self.layers = layers
        finalNorm = try model.layerNorm("final_layer_norm", channels: width, epsilon: configuration.epsilon)
        projection =
            weights.contains("text_projection.weight")
            ? try weights.linear("text_projection", from: width, to: configuration.projectionWidth, bias: false) : nil
    }

    /// Encodes token ids, begin and end tokens and padding included.
    ///
    /// - Throws: ``TensorError`` where there are no ids, more than positions, or one outside of the vocabulary.
    public func callAsFunction(_ ids: [Int]) throws(TensorError) -> TextEncoding {
        guard 1...configuration.positions ~= ids.count else {
            throw TensorError("text encoder", "\(ids.count) tokens; 1 to \(configuration.positions) are possible")
        }
        let (length, width) = (ids.count, configuration.width)
        let words = Variable(try tokens(ids)), places = Variable(try positions(Array(0..<length)))
        var x = try words.adding(places).reshaped([1, length, width])
        var penultimate = x
        for layer in layers {
            penultimate = x
            x = try layer(x)
        }
        let last = try finalNorm(x)
        let end = try last.sliced(axis: 1, endPosition(in: ids)..<endPosition(in: ids) + 1).reshaped([1, width])
        let pooled = try projection.map { (map) throws(TensorError) in try map(end) } ?? end
        return TextEncoding(last: last.tensor, penultimate: penultimate.tensor, pooled: pooled.tensor)
    }

    /// Where the text ends: at the first end token.
    ///
    /// Configurations written before that token had its id in them say 2,
    /// and mean the largest id.
    private func endPosition(in ids: [Int]) -> Int {
        let end = configuration.endToken == 2 ? ids.max() : configuration.endToken
        return ids.firstIndex { $0 == end } ?? 0
    }
}

extension CLIPTextEncoder {
    /// One layer: causal attention and a feed-forward part, each behind a normalisation and beside a shortcut.
    private struct Layer: Sendable {
        let norm1: LayerNorm  // layer_norm1
        let attention: Attention  // self_attn
        let norm2: LayerNorm  // layer_norm2
        let feedForward: FeedForward  // mlp

        init(_ configuration: TextEncoderConfiguration, _ weights: Weights) throws(CheckpointError) {
            let (width, inner) = (configuration.width, configuration.innerWidth)
            norm1 = try weights.layerNorm("layer_norm1", channels: width, epsilon: configuration.epsilon)
            norm2 = try weights.layerNorm("layer_norm2", channels: width, epsilon: configuration.epsilon)
            let query = try weights.linear("self_attn.q_proj", from: width, to: width)
            let key = try weights.linear("self_attn.k_proj", from: width, to: width)
            let value = try weights.linear("self_attn.v_proj", from: width, to: width)
            let output = try weights.linear("self_attn.out_proj", from: width, to: width)
            attention = try weights.loading("self_attn") { () throws(TensorError) in
                try Attention(query: query, key: key, value: value, output: output, heads: configuration.heads)
            }
            feedForward = FeedForward(
                first: try weights.linear("mlp.fc1", from: width, to: inner),
                activation: configuration.activation == "gelu" ? .gelu : .quickGELU,
                second: try weights.linear("mlp.fc2", from: inner, to: width))
        }

        func callAsFunction(_ x: Variable) throws(TensorError) -> Variable {
            let x = try x.adding(try attention(try norm1(x), causal: true))
            return try x.adding(try feedForward(try norm2(x)))
        }
    }
}
