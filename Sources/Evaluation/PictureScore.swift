/// What was found out about one picture.
public struct PictureScore: Sendable, Hashable, Codable {
    /// File name of the reference.
    public let reference: String
    public let prompt: String
    public let seed: UInt64
    public let isGuided: Bool

    /// Cosine with the reference by the recogniser that guides, in the face that guidance followed.
    public let own: Float
    /// The best of it in any pass, and that pass: guidance does not always end where it was best.
    public let best: Float
    public let bestIteration: Int
    /// Cosine by the judge, 0 where no face is found; nil without a judge.
    public let judge: Float?
    /// The reference that the judge finds most alike; nil without a judge or a face.
    public let choice: String?
    /// Whether that is the picture's own; nil without a judge.
    public let isFirstChoice: Bool?
    /// Whether a face is found with a score above 0.4, as it must be in a reference.
    public let hasFace: Bool

    /// What the scene classifier reads, by attribute.
    public let read: [String: String]
    /// Whether that is what was asked, for the attributes that the prompt asks for and the classifier knows.
    public let asAsked: [String: Bool]
    /// The same of a guided picture, for the attributes that the unguided picture had right; nil of the latter.
    public let kept: [String: Bool]?

    /// Updates that the guidance made of a guided picture.
    public let iterations: Int?
    /// Multiplications and additions of a guided picture's run, judging not included.
    public let operations: Double?
    /// Seconds of computation, judging not included.
    public let seconds: Double
    /// Where the picture was written, if it was.
    public let file: String?
    /// Why there is no picture, if there is none: it counts as one without a face.
    public let failure: String?
}

extension PictureScore {
    /// Which of the attributes asked for a reading has right; those that were not read are left out.
    static func compare(_ read: [String: String], with asked: [String: String]) -> [String: Bool] {
        read.reduce(into: [:]) { result, entry in
            if let wanted = asked[entry.key] { result[entry.key] = entry.value == wanted }
        }
    }

    /// Of what was right before guidance, what still is.
    static func kept(_ guided: [String: Bool], of unguided: [String: Bool]) -> [String: Bool] {
        guided.filter { unguided[$0.key] == true }
    }
}
