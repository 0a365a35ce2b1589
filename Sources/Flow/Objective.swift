public import Autodiff

/// What guidance minimises: the decoder, the discriminator and the distance to the references.
public protocol Objective {
    /// What came up on the way to the loss and is worth keeping: the picture, boxes, embeddings.
    associatedtype Details

    /// The loss of a final state.
    ///
    /// - Parameters:
    ///   - latent: x_N, [N, H, W, C]; tracked unless the pass is the last.
    ///   - iteration: The pass, from 0.
    /// - Throws: Whatever stops the pass, no face found for instance; the sampler hands it on unchanged.
    func callAsFunction(_ latent: Variable, iteration: Int) throws -> Evaluation<Details>
}

/// An objective's value at one state.
public struct Evaluation<Details> {
    /// What is differentiated; a single number.
    public var loss: Variable
    /// How alike the subject is, as the objective defines it; 1 for identical.
    public var similarity: Float
    /// What came up on the way.
    public var details: Details

    public init(loss: Variable, similarity: Float, details: Details) {
        self.loss = loss
        self.similarity = similarity
        self.details = details
    }
}

extension Evaluation where Details == Void {
    public init(loss: Variable, similarity: Float) {
        self.init(loss: loss, similarity: similarity, details: ())
    }
}
