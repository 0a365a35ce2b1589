public import Tensors

/// What one pass through the flow found: forward to a picture's latent, and back unless it was the last.
public struct GuidancePass<Details> {
    /// The pass, from 0; also the number of updates made before it.
    public let iteration: Int
    /// Whether no update follows: the latent is the result.
    public let isLast: Bool
    /// x_1, ..., x_N, each [N, H, W, C].
    public let states: [Tensor]
    /// The velocities u_0, ..., u_{N-1}, after classifier-free guidance.
    public let velocities: [Tensor]
    /// x_N, the state that a decoder makes a picture of.
    public let latent: Tensor
    /// The objective's loss at ``latent``.
    public let loss: Float
    /// The objective's similarity at ``latent``.
    public let similarity: Float
    /// What the objective kept.
    public let details: Details
    /// dL/dx_0, ..., dL/dx_{N-1} as they came, not normalised; zero beyond ``Guidance/gradientDepth``; empty in the last
    /// pass.
    public let gradients: [Tensor]
    /// L2 norms of ``gradients``.
    public let gradientNorms: [Double]
}

extension GuidancePass: Sendable where Details: Sendable {}
