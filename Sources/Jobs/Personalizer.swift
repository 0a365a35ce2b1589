public import Messages
public import Raster

/// What makes pictures, as jobs see it: the maths behind a seam, so that a job's life is tested without networks.
public protocol Personalizer: Sendable {
    /// The models it holds; the first is the default.
    var models: [ModelDescription] { get }
    /// The subjects it can measure.
    var subjects: [Subject] { get }
    /// What it computes on, in words.
    var device: String { get }

    /// Starts a job, or goes on where another worker stopped.
    ///
    /// Called on the thread that will run the job; it may block.
    ///
    /// - Parameters:
    ///   - job: What to make; checked by `PersonalizeRequest.validate()`.
    ///   - state: Where to go on; nil to start. Its weights are this model's, but its tensors are not checked.
    /// - Throws: A status that says whose fault it is: `.invalidArgument`, `.failedPrecondition` (no face in a
    ///   reference) and `.notFound` (unknown model) are the client's.
    func begin(_ job: PersonalizationJob, resuming state: ResumeState?) throws(Status) -> any PersonalizationRun
}

/// What a job asks for, its pictures decoded.
public struct PersonalizationJob: Sendable {
    /// One per reference of ``request``, in order.
    public var pictures: [Picture]
    /// The rest of what was asked for; its own seed and resume state are not for use.
    public var request: PersonalizeRequest
    /// Of the initial noise.
    public var seed: UInt64

    public init(pictures: [Picture], request: PersonalizeRequest, seed: UInt64) {
        self.pictures = pictures
        self.request = request
        self.seed = seed
    }
}

/// A job being computed; driven on one thread.
public protocol PersonalizationRun {
    var modelID: String { get }
    /// Fingerprint of the weights as 64 lower-case hexadecimal digits, or empty.
    var modelHash: String { get }
    /// Guidance iterations in all; there is one pass more.
    var iterations: Int { get }
    /// Guidance iterations done, those before an interruption included.
    var completedIterations: Int { get }
    /// Loss and similarity of each completed iteration.
    var losses: [Float] { get }
    var similarities: [Float] { get }
    /// What the picture was made from, to be written into its file.
    var metadata: PictureMetadata { get }
    /// Time spent by this run per phase, without what came before an interruption.
    var timings: [Timing] { get }

    /// Makes one pass; nil after the last.
    mutating func next() throws(Status) -> PersonalizationPass?

    /// The offsets and, where there are any, the anchors.
    func guidanceTensors() throws(Status) -> (offsets: [WireTensor], anchors: [WireTensor])
}

/// What one pass found.
public struct PersonalizationPass {
    /// From 0.
    public var iteration: Int
    /// Whether this pass' picture is the result.
    public var isLast: Bool
    public var loss: Float
    public var similarity: Float
    /// Decodes this pass' picture; not free, so only called when it is wanted.
    public var picture: () throws(Status) -> Picture

    public init(
        iteration: Int, isLast: Bool, loss: Float, similarity: Float, picture: @escaping () throws(Status) -> Picture
    ) {
        self.iteration = iteration
        self.isLast = isLast
        self.loss = loss
        self.similarity = similarity
        self.picture = picture
    }
}
