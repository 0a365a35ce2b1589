public import Flow
public import Raster

/// What a reference picture shows, which decides how it is compared.
public enum Subject: String, Sendable, Hashable, CaseIterable {
    /// A person's face.
    case person
    /// An animal.
    case liveSubject = "live-subject"
    /// A thing.
    case object
    /// Whatever the model's custom discriminator looks at.
    case custom
}

/// A picture to be made: references, words, and numbers where the model's own are not wanted.
public struct GenerationRequest: Sendable {
    /// A picture of a subject that the result shall show.
    public struct Reference: Sendable {
        public var picture: Picture
        public var subject: Subject

        public init(_ picture: Picture, subject: Subject = .person) {
            self.picture = picture
            self.subject = subject
        }
    }

    /// One to four, all of the same kind of subject.
    public var references: [Reference]
    public var prompt: String
    public var negativePrompt = ""
    /// Decides the initial noise.
    public var seed: UInt64
    /// Pixels; multiples of the decoder's factor.
    public var width, height: Int?
    /// Evaluations of the flow per pass.
    public var steps: Int?
    /// Updates of the guidance.
    public var iterations: Int?
    /// Size of an update.
    public var rate: Double?
    public var gain: Gain?
    /// Scale of classifier-free guidance; 1 and less run the prompt alone.
    public var cfgScale: Float?
    public var flow: Schedule.Kind?
    /// How much guidance computes for each update, and when it ends early.
    public var effort = GuidanceEffort()

    public init(references: [Reference], prompt: String, seed: UInt64) {
        self.references = references
        self.prompt = prompt
        self.seed = seed
    }
}
