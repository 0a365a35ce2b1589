/// How a trajectory is guided.
public struct Guidance: Sendable, Hashable {
    /// Number of updates, at least 0; a sampler makes one pass more.
    public var iterations: Int
    /// Length of an update in the latent's L2 norm before gains: the paper's guidance scale s.
    public var rate: Double
    /// How much of an update becomes the offset after each step.
    public var gain: Gain
    /// Whether to keep no activations of steps and run each a second time on the way back: memory of one step instead of
    /// all, for one more evaluation of the network per step.
    public var recomputesSteps: Bool
    /// The first pass to reach this similarity is the last, so that no gradient is computed in vain; nil for none.
    public var sufficientSimilarity: Float?

    public init(
        iterations: Int, rate: Double = 1, gain: Gain = .derived, recomputesSteps: Bool = false,
        sufficientSimilarity: Float? = nil
    ) {
        self.iterations = iterations
        self.rate = rate
        self.gain = gain
        self.recomputesSteps = recomputesSteps
        self.sufficientSimilarity = sufficientSimilarity
    }
}
