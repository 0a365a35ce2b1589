/// When guidance has stopped getting anywhere: early stopping by patience and tolerance.
///
/// A pass counts as a gain where its similarity exceeds the best of the passes that counted before by more than
/// ``tolerance``; slow progress therefore adds up until it counts. The rule sees similarities alone, so that a sampler
/// resumed with those of the passes before its interruption stops at the same pass.
public struct Plateau: Sendable, Hashable, Codable {
    /// Passes in a row without a gain after which the last of them is the result; at least 1.
    public var patience: Int
    /// What a gain has to exceed, in similarity (a cosine), at least 0.
    public var tolerance: Float

    public init(patience: Int, tolerance: Float = 0) {
        self.patience = patience
        self.tolerance = tolerance
    }

    /// Whether the last of these passes ends a run of ``patience`` passes without a gain.
    ///
    /// - Parameter similarities: Those of every pass so far, the first one's first.
    public func isReached(by similarities: [Float]) -> Bool {
        var best = -Float.infinity
        var waited = 0
        for similarity in similarities {
            if similarity > best + tolerance { (best, waited) = (similarity, 0) } else { waited += 1 }
        }
        return waited >= patience
    }
}
