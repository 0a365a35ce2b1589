public import Autodiff
import Checkpoints
public import Networks
public import Tensors

/// Compares whole pictures by any network that turns one into a feature.
public struct EmbeddingDiscriminator: Discriminator {
    /// What the network sees: (x - mean) / deviation of a picture in 0...1, per channel.
    public struct Normalization: Sendable, Hashable {
        public var mean, deviation: [Float]

        /// - Parameters:
        ///   - mean: One number, or red, green and blue.
        ///   - deviation: One number, or red, green and blue; none of them 0.
        public init(mean: [Float], deviation: [Float]) {
            self.mean = mean
            self.deviation = deviation
        }
    }

    public let width, height: Int
    private let network: ONNXNetwork
    private let scale, shift: Tensor

    public var referenceCount: ClosedRange<Int> { 1...4 }

    /// Takes a network.
    ///
    /// - Parameters:
    ///   - size: Side of the square that the network sees; what the file says by default.
    /// - Throws: ``DiscriminatorError`` where the network does not take one picture and give one output, or no size is
    ///   known.
    public init(
        network: ONNXNetwork, size: Int? = nil,
        normalization: Normalization = Normalization(mean: [0.5], deviation: [0.5])
    ) throws(DiscriminatorError) {
        let shape = network.inputShape
        guard network.inputs.count == 1, network.outputs.count == 1, shape.count == 4, shape[3] ?? 3 == 3 else {
            throw .unsuitable(
                network: "discriminator",
                problem:
                    "it has \(network.inputs.count) inputs and \(network.outputs.count) outputs; one colour picture "
                    + "and one feature are needed")
        }
        guard let height = size ?? shape[1], let width = size ?? shape[2], (1...4096).contains(height),
            (1...4096).contains(width)
        else {
            throw .unsuitable(
                network: "discriminator", problem: "its file leaves the input size open; give one up to 4096")
        }
        func channels(_ numbers: [Float]) -> [Float]? {
            guard numbers.allSatisfy(\.isFinite) else { return nil }
            return numbers.count == 1 ? [Float](repeating: numbers[0], count: 3) : numbers.count == 3 ? numbers : nil
        }
        guard let mean = channels(normalization.mean), let deviation = channels(normalization.deviation),
            deviation.allSatisfy({ $0 != 0 })
        else {
            throw .unsuitable(
                network: "discriminator", problem: "mean and deviation must be one or three numbers, deviations not 0")
        }
        self.network = network
        (self.width, self.height) = (width, height)
        (scale, shift) = try computing { () throws(TensorError) in
            (
                try Tensor(deviation.map { 1 / $0 }, shape: [3]),
                try Tensor(zip(mean, deviation).map { -$0 / $1 }, shape: [3])
            )
        }
    }

    public func comparison(with references: [Tensor]) throws(DiscriminatorError) -> any Comparison {
        guard referenceCount.contains(references.count) else {
            throw .references(count: references.count, allowed: referenceCount)
        }
        var embeddings: [Tensor] = []
        for picture in references { embeddings.append(try embedding(of: Variable(picture)).tensor) }
        return EmbeddingComparison(discriminator: self, embeddings: embeddings)
    }

    /// The feature of a picture `[1, H, W, 3]` in 0...1 as `[1, C]`.
    public func embedding(of picture: Variable) throws(DiscriminatorError) -> Variable {
        try checkPicture(picture.shape)
        let input = try computing { () throws(TensorError) in
            let fits = picture.shape[1] == height && picture.shape[2] == width
            let resized = fits ? picture : try picture.resized(height: height, width: width)
            return try resized.multiplied(by: Variable(scale)).adding(Variable(shift))
        }
        let embedding = try running { () throws(ONNXError) in try network(input) }
        return try computing { () throws(TensorError) in try embedding.reshaped(Shape([1, embedding.shape.count])) }
    }
}

/// References compared with whole pictures: the loss is 100 times the sum of (1 - cosine).
struct EmbeddingComparison: Comparison {
    let discriminator: EmbeddingDiscriminator
    let embeddings: [Tensor]

    func callAsFunction(_ picture: Variable) throws(DiscriminatorError) -> Judgement {
        let found = try discriminator.embedding(of: picture)
        return try computing { () throws(TensorError) in
            var loss = Variable(try Tensor(100 * Float(embeddings.count)))
            var similarities: [Float] = []
            for embedding in embeddings {
                let cosine = try found.cosine(with: Variable(embedding))
                similarities.append(try cosine.tensor.number())
                loss = try loss.subtracting(cosine.scaled(by: 100))
            }
            return Judgement(loss: loss, similarities: similarities, details: ["embedding": found.tensor])
        }
    }
}
