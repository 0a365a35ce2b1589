public import Autodiff
public import Tensors

/// Judges how alike the subjects of two pictures are: what guidance follows.
public protocol Discriminator: Sendable {
    /// How many references it can be given.
    var referenceCount: ClosedRange<Int> { get }

    /// Prepares the references; once per job.
    ///
    /// - Parameter references: Pictures `[1, H, W, 3]` in 0...1, RGB.
    /// - Throws: ``DiscriminatorError``, where a reference does not show what is looked for among others.
    func comparison(with references: [Tensor]) throws(DiscriminatorError) -> any Comparison
}

/// References made ready for comparing many pictures with them.
public protocol Comparison: Sendable {
    /// Features of the references, `[1, C]` each, in their order.
    var embeddings: [Tensor] { get }

    /// Compares a picture.
    ///
    /// - Parameter picture: `[1, H, W, 3]` in 0...1, RGB; the loss is differentiable with respect to it.
    func callAsFunction(_ picture: Variable) throws(DiscriminatorError) -> Judgement
}

/// What a discriminator says about a picture.
public struct Judgement {
    /// To be minimised; a single number.
    public var loss: Variable
    /// Cosine of each reference with what the picture shows of it, in the references' order.
    public var similarities: [Float]
    /// What it looked at: `boxes [P, 5]` (x1, y1, x2, y2, score) and `points [P, 5, 2]` in pixels of the picture,
    /// `embedding [P, C]`.
    public var details: [String: Tensor]

    public init(loss: Variable, similarities: [Float], details: [String: Tensor] = [:]) {
        self.loss = loss
        self.similarities = similarities
        self.details = details
    }

    /// Mean of the similarities.
    public var similarity: Float {
        similarities.isEmpty ? 0 : similarities.reduce(0, +) / Float(similarities.count)
    }
}

func checkPicture(_ shape: Shape) throws(DiscriminatorError) {
    guard shape.rank == 4, shape[0] == 1, shape[3] == 3, shape.count > 0 else { throw .picture(shape) }
}
