import CMessages
import CProtobufC

/// The last event of a job: the picture, or why there is none.
public struct PersonalizeResult: Sendable, Equatable {
    public var status: Status
    /// There when the status is OK.
    public var picture: ResultPicture?
    /// `nil` where it was not measured.
    public var similarity: Similarity?
    /// Of each iteration, in order.
    public var losses: [Float]
    public var seed: UInt64
    /// Over all workers that had a part in the job.
    public var timings: [Timing]
    public var modelID: String
    /// Fingerprint of the weights as 64 lower-case hexadecimal digits, or empty.
    public var modelHash: String
    public var workerID: String
    /// From 1.
    public var attempt: Int

    public init(
        status: Status, picture: ResultPicture? = nil, similarity: Similarity? = nil, losses: [Float] = [],
        seed: UInt64 = 0, timings: [Timing] = [], modelID: String = "", modelHash: String = "", workerID: String,
        attempt: Int
    ) {
        self.status = status
        self.picture = picture
        self.similarity = similarity
        self.losses = losses
        self.seed = seed
        self.timings = timings
        self.modelID = modelID
        self.modelHash = modelHash
        self.workerID = workerID
        self.attempt = attempt
    }

    func validate(at field: FieldPath) throws(MessageError) {
        try field.child("picture").require(
            (picture != nil) == (status.code == .ok), picture == nil ? "is not set" : "is set",
            allowed: "a picture if the status is OK, none otherwise")
        try picture?.validate(at: field)
        if let similarity {
            try field.child("similarity").child("before").check(similarity.before, in: Similarity.range)
            try field.child("similarity").child("after").check(similarity.after, in: Similarity.range)
        }
        try field.child("losses").check(
            count: losses.count, in: PersonalizeRequest.Allowed.iterations, of: "values, one per iteration")
        try field.child("losses").check(finite: losses)
        try Timing.validate(timings, at: field.child("timings"))
        try field.child("model_hash").check(hash: modelHash)
        try field.child("attempt").check(attempt, in: 1...Int(UInt32.max))
    }
}

/// The picture that a job has made.
public struct ResultPicture: Sendable, Equatable {
    public enum Content: Sendable, Equatable {
        /// A file of the stated format.
        case image([UInt8])
        /// Its key in the shared store.
        case key(String)
    }

    public var content: Content
    public var format: ImageFormat
    /// In pixels.
    public var width: Int
    public var height: Int

    public init(content: Content, format: ImageFormat, width: Int, height: Int) {
        self.content = content
        self.format = format
        self.width = width
        self.height = height
    }

    func validate(at field: FieldPath) throws(MessageError) {
        switch content {
        case .image(let bytes):
            try field.child("image").require(!bytes.isEmpty, "is empty", allowed: "the bytes of a JPEG or PNG file")
        case .key(let key): try Reference.validate(key: key, at: field.child("image_key"))
        }
        try field.child("width").check(width, in: PersonalizeRequest.Allowed.side, unit: " pixels")
        try field.child("height").check(height, in: PersonalizeRequest.Allowed.side, unit: " pixels")
    }
}

/// How alike picture and references are: cosine, mean over the references, -1 to 1.
public struct Similarity: Sendable, Equatable {
    /// Of the unguided picture.
    public var before: Float
    /// Of the picture returned.
    public var after: Float

    public init(before: Float, after: Float) {
        self.before = before
        self.after = after
    }

    /// A cosine computed in float32 can exceed 1 by rounding.
    static let range: ClosedRange<Float> = -1.001...1.001
}

extension PersonalizeResult: Packable {
    static let messageName = "Result"
    static var emptyCForm: Rectifid__V1__Result { empty(rectifid__v1__result__init) }

    init(_ c: Rectifid__V1__Result, at field: FieldPath) throws(MessageError) {
        guard let status: Status = try field.child("status").message(c.status) else {
            throw field.child("status").invalid("is not set", allowed: "a status, also for success")
        }
        self.init(
            status: status,
            picture: try ResultPicture(c, at: field),
            similarity: c.similarity.map { Similarity(before: $0.pointee.before, after: $0.pointee.after) },
            losses: floats(c.losses, c.n_losses),
            seed: c.seed,
            timings: try field.child("timings").messages(c.timings, c.n_timings),
            modelID: try c.model_id.text(at: field.child("model_id")),
            modelHash: try c.model_hash.text(at: field.child("model_hash")),
            workerID: try c.worker_id.text(at: field.child("worker_id")),
            attempt: Int(c.attempt))
    }

    func cForm(in arena: CArena) -> Rectifid__V1__Result {
        var c = Self.emptyCForm
        c.status = arena.place(status)
        picture?.write(to: &c, in: arena)
        if let similarity {
            c.similarity = arena.message(rectifid__v1__similarity__init)
            c.similarity.pointee.before = similarity.before
            c.similarity.pointee.after = similarity.after
        }
        c.n_losses = losses.count
        c.losses = arena.array(losses)
        c.seed = seed
        c.n_timings = timings.count
        c.timings = arena.array(timings)
        c.model_id = arena.text(modelID)
        c.model_hash = arena.text(modelHash)
        c.worker_id = arena.text(workerID)
        c.attempt = UInt32(wire: attempt)
        return c
    }
}

extension ResultPicture {
    /// The picture fields of a result, nothing when neither image nor key is set.
    fileprivate init?(_ c: Rectifid__V1__Result, at field: FieldPath) throws(MessageError) {
        switch c.picture_case {
        case RECTIFID__V1__RESULT__PICTURE_IMAGE: content = .image(c.image.array)
        case RECTIFID__V1__RESULT__PICTURE_IMAGE_KEY: content = .key(try c.image_key.text(at: field.child("image_key")))
        default: return nil
        }
        format = try field.child("format").choice(c.format.rawValue) ?? .jpeg
        width = Int(c.width)
        height = Int(c.height)
    }

    fileprivate func write(to c: inout Rectifid__V1__Result, in arena: CArena) {
        switch content {
        case .image(let bytes):
            c.image = arena.bytes(bytes)
            c.picture_case = RECTIFID__V1__RESULT__PICTURE_IMAGE
        case .key(let key):
            c.image_key = arena.text(key)
            c.picture_case = RECTIFID__V1__RESULT__PICTURE_IMAGE_KEY
        }
        c.format = Rectifid__V1__ImageFormat(rawValue: format.rawValue)
        c.width = UInt32(wire: width)
        c.height = UInt32(wire: height)
    }
}
