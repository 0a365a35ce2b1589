import CMessages
import CProtobufC

/// Everything a worker needs to continue a job of another so that the picture is bit for bit the same.
public struct ResumeState: Sendable, Equatable {
    /// The iteration to run next, from 0; those before it are complete.
    public var nextIteration: Int
    /// The offsets d_k, one per step, each in the shape of the latent.
    public var offsets: [WireTensor]
    /// The anchors a_k, one per step; none for a piecewise flow.
    public var anchors: [WireTensor]
    /// Loss of each complete iteration.
    public var losses: [Float]
    /// Similarity of each complete iteration, -1 to 1.
    public var similarities: [Float]
    /// The seed in use, also where the client had set none.
    public var seed: UInt64
    /// Fingerprint of the weights in use, or empty; other weights must not continue the job.
    public var modelHash: String
    /// Times spent so far.
    public var timings: [Timing]
    /// Sequence number of the next event.
    public var nextSequence: UInt64
    /// How often the job has been interrupted.
    public var interruptions: Int

    public init(
        nextIteration: Int, offsets: [WireTensor], anchors: [WireTensor] = [], losses: [Float], similarities: [Float],
        seed: UInt64, modelHash: String, timings: [Timing] = [], nextSequence: UInt64 = 0, interruptions: Int = 0
    ) {
        self.nextIteration = nextIteration
        self.offsets = offsets
        self.anchors = anchors
        self.losses = losses
        self.similarities = similarities
        self.seed = seed
        self.modelHash = modelHash
        self.timings = timings
        self.nextSequence = nextSequence
        self.interruptions = interruptions
    }

    // steps, iterations: what the request asks for, nothing where it leaves them to the model.
    func validate(at field: FieldPath, steps: Int?, iterations: Int?) throws(MessageError) {
        try field.child("next_iteration").check(nextIteration, in: 0...(iterations ?? 1000))
        try field.child("offsets").check(count: offsets.count, in: steps.map { $0...$0 } ?? 1...100, of: "tensors")
        try field.child("anchors").require(
            anchors.isEmpty || anchors.count == offsets.count, "has \(anchors.count) tensors",
            allowed: "none, or as many as offsets (\(offsets.count))")
        try validate(tensors: offsets, at: field.child("offsets"))
        try validate(tensors: anchors, at: field.child("anchors"))
        try validate(series: losses, at: field.child("losses"))
        try validate(series: similarities, at: field.child("similarities"))
        for (index, similarity) in similarities.enumerated() {
            try field.child("similarities")[index].check(similarity, in: Similarity.range)
        }
        try field.child("model_hash").check(hash: modelHash)
        try Timing.validate(timings, at: field.child("timings"))
        try field.child("interruptions").check(interruptions, in: 0...Int(UInt32.max))
    }

    private func validate(tensors: [WireTensor], at field: FieldPath) throws(MessageError) {
        for (index, tensor) in tensors.enumerated() {
            try field[index].child("shape").require(
                tensor.shape == offsets[0].shape, "is \(tensor.shape)",
                allowed: "the shape of the latent, as the first offset's, \(offsets[0].shape)")
            try field[index].child("data").check(finite: tensor.values)
        }
    }

    private func validate(series: [Float], at field: FieldPath) throws(MessageError) {
        try field.require(
            series.count == nextIteration, "has \(series.count) values",
            allowed: "one per complete iteration (\(nextIteration))")
        try field.check(finite: series)
    }
}

/// A state that is too large for its request is an object of its own.
extension ResumeState: WireMessage {
    public static let typeName = "rectifid.v1.ResumeState"

    public func encode() -> [UInt8] { pack(self) }

    public static func decode(_ bytes: [UInt8], limits: MessageLimits) throws(MessageError) -> ResumeState {
        try decodeAndValidate(bytes, limits: limits)
    }

    public func validate() throws(MessageError) { try validate(at: FieldPath("resume"), steps: nil, iterations: nil) }
}

extension ResumeState: Packable {
    static let messageName = "ResumeState"
    static var emptyCForm: Rectifid__V1__ResumeState { empty(rectifid__v1__resume_state__init) }

    init(_ c: Rectifid__V1__ResumeState, at field: FieldPath) throws(MessageError) {
        self.init(
            nextIteration: Int(c.next_iteration),
            offsets: try field.child("offsets").messages(c.offsets, c.n_offsets),
            anchors: try field.child("anchors").messages(c.anchors, c.n_anchors),
            losses: floats(c.losses, c.n_losses),
            similarities: floats(c.similarities, c.n_similarities),
            seed: c.seed,
            modelHash: try c.model_hash.text(at: field.child("model_hash")),
            timings: try field.child("timings").messages(c.timings, c.n_timings),
            nextSequence: c.next_sequence,
            interruptions: Int(c.interruptions))
    }

    func cForm(in arena: CArena) -> Rectifid__V1__ResumeState {
        var c = Self.emptyCForm
        c.next_iteration = UInt32(wire: nextIteration)
        c.n_offsets = offsets.count
        c.offsets = arena.array(offsets)
        c.n_anchors = anchors.count
        c.anchors = arena.array(anchors)
        c.n_losses = losses.count
        c.losses = arena.array(losses)
        c.n_similarities = similarities.count
        c.similarities = arena.array(similarities)
        c.seed = seed
        c.model_hash = arena.text(modelHash)
        c.n_timings = timings.count
        c.timings = arena.array(timings)
        c.next_sequence = nextSequence
        c.interruptions = UInt32(wire: interruptions)
        return c
    }
}
