import Autodiff
import Discriminators
import Flow
import Networks
import Tensors

/// What guidance minimises: decode, find the subject, compare.
struct PictureObjective: Objective {
    /// What a pass leaves behind besides its loss.
    struct Details {
        /// `[1, H, W, 3]`, 0 to 1.
        let picture: Tensor
        /// Boxes, landmarks and features of what was found.
        let found: [String: Tensor]
    }

    let decoder: ImageDecoder
    let comparison: any Comparison
    let clock: PhaseClock

    func callAsFunction(_ latent: Variable, iteration: Int) throws -> Evaluation<Details> {
        let picture = try clock.measure(.decoder) { try decoder(latent) }
        let judgement = try clock.measure(.discriminator) { try comparison(picture) }
        return Evaluation(
            loss: judgement.loss, similarity: judgement.similarity,
            details: Details(picture: picture.tensor, found: judgement.details))
    }
}
