import CMessages
import CProtobufC

/// The event of an iteration being complete.
public struct PersonalizeProgress: Sendable, Equatable {
    /// Iterations completed, 1 to ``iterations``.
    public var iteration: Int
    /// How many there are in all.
    public var iterations: Int
    /// Of the iteration just completed.
    public var loss: Float
    /// Cosine, -1 to 1.
    public var similarity: Float
    /// A small JPEG file, or empty.
    public var preview: [UInt8]

    public init(iteration: Int, iterations: Int, loss: Float, similarity: Float, preview: [UInt8] = []) {
        self.iteration = iteration
        self.iterations = iterations
        self.loss = loss
        self.similarity = similarity
        self.preview = preview
    }

    func validate(at field: FieldPath) throws(MessageError) {
        try field.child("iterations").check(iterations, in: 1...PersonalizeRequest.Allowed.iterations.upperBound)
        try field.child("iteration").check(iteration, in: 1...iterations)
        try field.child("loss").require(loss.isFinite, "is \(loss)", allowed: "a finite number")
        try field.child("similarity").check(similarity, in: Similarity.range)
    }
}

extension PersonalizeProgress: Packable {
    static let messageName = "Progress"
    static var emptyCForm: Rectifid__V1__Progress { empty(rectifid__v1__progress__init) }

    init(_ c: Rectifid__V1__Progress, at field: FieldPath) throws(MessageError) {
        self.init(
            iteration: Int(c.iteration), iterations: Int(c.iterations), loss: c.loss, similarity: c.similarity,
            preview: c.preview.array)
    }

    func cForm(in arena: CArena) -> Rectifid__V1__Progress {
        var c = Self.emptyCForm
        c.iteration = UInt32(wire: iteration)
        c.iterations = UInt32(wire: iterations)
        c.loss = loss
        c.similarity = similarity
        c.preview = arena.bytes(preview)
        return c
    }
}
