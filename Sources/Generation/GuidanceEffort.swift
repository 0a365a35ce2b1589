public import Flow

/// How much guidance computes for each update, and when it has done enough: everything, and never, by default, which is
/// the paper's method.
///
/// Each of these trades how alike the subject gets for time; the README has what they cost and save on the demo model.
public struct GuidanceEffort: Sendable, Hashable {
    /// How many steps, counted from the last, gradients go back through, 1 to the number of steps.
    ///
    /// Offsets of earlier steps stay as they are. All by default. See ``Guidance/gradientDepth``.
    public var gradientDepth: Int?
    /// At how many of these, counted from the last, gradients go through the network, 0 to the gradient depth.
    ///
    /// At the others they are handed on as they are. All by default. See ``Guidance/jacobianDepth``.
    public var jacobianDepth: Int?
    /// Which branches of classifier-free guidance gradients go through; without such guidance there is one.
    public var cfgGradient: ClassifierFreeGuidance.Gradient?
    /// The first pass of this similarity is the last, above 0, up to 1; nil for none.
    public var sufficientSimilarity: Float?
    /// The first pass that ends such a plateau of the similarity is the last, 1 to 1000 passes with a tolerance of 0 to 1;
    /// nil for none.
    public var plateau: Plateau?

    public init(
        gradientDepth: Int? = nil, jacobianDepth: Int? = nil, cfgGradient: ClassifierFreeGuidance.Gradient? = nil,
        sufficientSimilarity: Float? = nil, plateau: Plateau? = nil
    ) {
        self.gradientDepth = gradientDepth
        self.jacobianDepth = jacobianDepth
        self.cfgGradient = cfgGradient
        self.sufficientSimilarity = sufficientSimilarity
        self.plateau = plateau
    }

    /// What is set, in the words of the command line; nothing for the paper's method.
    public var words: [(name: String, value: String)] {
        let values: [(String, (any CustomStringConvertible)?)] = [
            ("gradient-depth", gradientDepth), ("jacobian-depth", jacobianDepth),
            ("cfg-gradient", cfgGradient?.rawValue), ("stop-at-similarity", sufficientSimilarity),
            ("plateau-patience", plateau?.patience), ("plateau-tolerance", plateau?.tolerance),
        ]
        return values.compactMap { name, value in value.map { (name, $0.description) } }
    }

    /// - Parameter steps: Of the schedule.
    /// - Throws: ``GenerationError`` naming the field that is out of its range.
    func check(steps: Int) throws(GenerationError) {
        let depth = gradientDepth ?? steps
        guard (1...max(1, steps)).contains(depth) else {
            throw .invalid("gradient-depth", "\(depth); 1 to \(steps) are possible with \(steps) steps")
        }
        if let jacobianDepth, !(0...depth).contains(jacobianDepth) {
            throw .invalid(
                "jacobian-depth", "\(jacobianDepth); 0 to \(depth), how far gradients go back, are possible")
        }
        if let sufficientSimilarity, !(sufficientSimilarity > 0 && sufficientSimilarity <= 1) {
            throw .invalid("stop-at-similarity", "\(sufficientSimilarity); above 0 and up to 1 are possible")
        }
        guard let plateau else { return }
        guard (1...1000).contains(plateau.patience) else {
            throw .invalid("plateau-patience", "\(plateau.patience); 1 to 1000 passes are possible")
        }
        guard (0...1).contains(plateau.tolerance) else {
            throw .invalid("plateau-tolerance", "\(plateau.tolerance); 0 to 1 are possible")
        }
    }
}
