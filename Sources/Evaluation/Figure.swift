/// Something that is measured of every picture.
public enum Figure: Sendable, Hashable {
    /// Cosine with the reference by the recogniser that guides.
    case own
    /// Cosine with the reference by a recogniser that took no part.
    case judge
    /// The former less the latter: large where guidance fools its recogniser.
    case gap
    /// Whether no other reference is more like the picture, by the judge.
    case firstChoice
    /// Whether a face is found in the picture.
    case face
    /// Whether the picture shows what was asked of an attribute.
    case asked(String)
    /// Whether a guided picture shows what was asked of an attribute where the unguided one did.
    case kept(String)
    /// Updates of the guidance that were made: fewer than asked for where it ends early.
    case iterations
    /// 10^9 multiplications and additions of a guided run: what it costs on any machine, however busy.
    case operations
    /// Seconds that the picture took.
    case seconds

    /// As reports and goals call it.
    public var name: String {
        switch self {
        case .own: "own"
        case .judge: "judge"
        case .gap: "gap"
        case .firstChoice: "firstChoice"
        case .face: "face"
        case .asked(let attribute): "asked.\(attribute)"
        case .kept(let attribute): "kept.\(attribute)"
        case .iterations: "iterations"
        case .operations: "operations"
        case .seconds: "seconds"
        }
    }

    /// Whether it is yes or no of each picture, and so a share of all.
    var isShare: Bool {
        switch self {
        case .own, .judge, .gap, .iterations, .operations, .seconds: false
        case .firstChoice, .face, .asked, .kept: true
        }
    }

    var isHighGood: Bool {
        switch self {
        case .gap, .iterations, .operations, .seconds: false
        default: true
        }
    }

    /// All figures, in the order of reports.
    static func all(attributes: [String]) -> [Figure] {
        [.own, .judge, .gap, .firstChoice, .face] + attributes.map(Figure.asked) + attributes.map(Figure.kept)
            + [.iterations, .operations, .seconds]
    }

    /// What a picture comes to; nil where this is not measured of it.
    func value(of score: PictureScore) -> Double? {
        switch self {
        case .own: Double(score.own)
        case .judge: score.judge.map(Double.init)
        case .gap: score.judge.map { Double(score.own) - Double($0) }
        case .firstChoice: score.isFirstChoice.map { $0 ? 1 : 0 }
        case .face: score.hasFace ? 1 : 0
        case .asked(let attribute): score.asAsked[attribute].map { $0 ? 1 : 0 }
        case .kept(let attribute): score.kept?[attribute].map { $0 ? 1 : 0 }
        case .iterations: score.iterations.map(Double.init)
        case .operations: score.operations.map { $0 / 1e9 }
        case .seconds: score.failure == nil ? score.seconds : nil
        }
    }

    /// The figure over some pictures; nil where it is measured of none.
    func statistic(of scores: [PictureScore]) -> Statistic? {
        let samples = scores.compactMap { score in
            value(of: score).map { Statistic.Sample(value: $0, person: score.reference, seed: score.seed) }
        }
        return Statistic(samples, isShare: isShare, isHighGood: isHighGood)
    }
}
