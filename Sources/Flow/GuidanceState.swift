import Tensors

/// All that an interrupted sampler needs, beside its inputs, to go on bit for bit as if it had not been interrupted.
///
/// The noise is not in it, since it follows from the seed; the passes are not, since each starts from the noise.
public struct GuidanceState: Sendable, Hashable, Codable {
    /// Updates made so far, which is also the pass to run next.
    public var completedIterations: Int
    /// The offsets d_k, one per step, each in the latent's row-major order.
    public var offsets: [[Float]]
    /// The anchors a_k of a rectified flow, one per step; none before the first pass, and none in a piecewise flow.
    public var anchors: [[Float]]
    /// Loss of each completed iteration.
    public var losses: [Float]
    /// Similarity of each completed iteration.
    public var similarities: [Float]

    public init(
        completedIterations: Int, offsets: [[Float]], anchors: [[Float]], losses: [Float], similarities: [Float]
    ) {
        self.completedIterations = completedIterations
        self.offsets = offsets
        self.anchors = anchors
        self.losses = losses
        self.similarities = similarities
    }

    /// Checks that the state belongs to a sampler of these inputs.
    ///
    /// - Throws: ``GuidanceError/state(_:)`` where it does not; states come from messages and are not trusted.
    func check(iterations: Int, schedule: Schedule, latent: Shape) throws(GuidanceError) {
        guard completedIterations >= 0, completedIterations <= iterations else {
            throw .state("\(completedIterations) completed iterations of \(iterations)")
        }
        guard losses.count == completedIterations, similarities.count == completedIterations else {
            throw .state(
                "\(losses.count) losses and \(similarities.count) similarities for \(completedIterations) iterations")
        }
        let steps = schedule.steps.count
        let anchored = schedule.kind == .rectified && completedIterations > 0
        guard offsets.count == steps, anchors.count == (anchored ? steps : 0) else {
            throw .state(
                "\(offsets.count) offsets and \(anchors.count) anchors for \(steps) steps (\(schedule.kind) flow)")
        }
        for numbers in offsets + anchors {
            guard numbers.count == latent.count else {
                throw .state("\(numbers.count) numbers for a latent of shape \(latent)")
            }
            guard numbers.allSatisfy(\.isFinite) else { throw .state("an offset or anchor is not finite") }
        }
    }
}
