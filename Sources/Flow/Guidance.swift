/// How a trajectory is guided.
public struct Guidance: Sendable, Hashable {
    /// Number of updates, at least 0; a sampler makes one pass more.
    public var iterations: Int
    /// Length of an update in the latent's L2 norm before gains: the paper's guidance scale s.
    public var rate: Double
    /// How much of an update becomes the offset after each step.
    public var gain: Gain
    /// Which steps run a second time on the way back, to spare memory.
    public var recompute: Recompute
    /// The first pass to reach this similarity is the last, so that no gradient is computed in vain; nil for none.
    public var sufficientSimilarity: Float?
    /// The first pass to end a plateau of the similarity is the last; nil for none.
    public var plateau: Plateau?
    /// K: how many steps, counted from the last, a gradient goes back through, 1 to N; nil for all.
    ///
    /// The graph starts at the state where step N-K starts. Offsets d_{N-K}, ..., d_{N-1}, of the steps within, are updated;
    /// those of the earlier steps stay as they are, 0 from the start, and these steps run without a tape: truncated
    /// backpropagation (DRaFT-K, arXiv 2309.17400).
    public var gradientDepth: Int?
    /// How many of these steps, counted from the last, contribute their network's Jacobian, 0 to K; nil for all.
    ///
    /// At the others the velocity counts as a constant, y = x + constant, so that the gradient by a step's end is the one
    /// by its start, and the network runs without a tape. 0 is FlowChef's gradient skipping (arXiv 2412.00100), 1 the
    /// shortcut of SDO (arXiv 2505.07477). Offsets are updated as ``gradientDepth`` says, whatever this is.
    public var jacobianDepth: Int?

    public init(
        iterations: Int, rate: Double = 1, gain: Gain = .derived, recompute: Recompute = .none,
        sufficientSimilarity: Float? = nil, plateau: Plateau? = nil, gradientDepth: Int? = nil,
        jacobianDepth: Int? = nil
    ) {
        self.iterations = iterations
        self.rate = rate
        self.gain = gain
        self.recompute = recompute
        self.sufficientSimilarity = sufficientSimilarity
        self.plateau = plateau
        self.gradientDepth = gradientDepth
        self.jacobianDepth = jacobianDepth
    }

    /// The first step that gets a gradient, and the first whose network's Jacobian enters into it.
    ///
    /// - Throws: ``GuidanceError/setting(_:)`` for a depth or a plateau out of its range.
    func firstSteps(of count: Int) throws(GuidanceError) -> (gradient: Int, jacobian: Int) {
        let depth = gradientDepth ?? count
        guard (1...max(1, count)).contains(depth) else {
            throw .setting("a gradient depth of \(depth); 1 to \(count) are possible with \(count) steps")
        }
        let jacobians = jacobianDepth ?? depth
        guard (0...depth).contains(jacobians) else {
            throw .setting("a Jacobian depth of \(jacobians); 0 to the gradient depth, \(depth), are possible")
        }
        if let plateau, plateau.patience < 1 || !(plateau.tolerance >= 0 && plateau.tolerance.isFinite) {
            throw .setting(
                "a plateau of \(plateau.patience) passes within \(plateau.tolerance);"
                    + " at least 1 and a finite number from 0 are possible")
        }
        return (count - depth, count - jacobians)
    }

    /// Whether a pass of these similarities, its own last, is the result although updates are left.
    func isEnough(_ similarities: [Float]) -> Bool {
        if let sufficientSimilarity, let last = similarities.last, last >= sufficientSimilarity { return true }
        return plateau?.isReached(by: similarities) ?? false
    }
}
