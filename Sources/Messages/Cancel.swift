import CMessages
import CProtobufC

/// Stops a job, running or still queued.
public struct CancelRequest: Sendable, Equatable {
    /// `message_id` of the job's request.
    public var jobID: String
    /// For logs and for the result of the cancelled job, at most 1000 bytes.
    public var reason: String

    public init(jobID: String, reason: String = "") {
        self.jobID = jobID
        self.reason = reason
    }
}

/// What a worker makes of a cancellation.
public enum CancelOutcome: UInt32, Sendable, CaseIterable {
    /// It runs the job and stops it; a result with CANCELLED follows.
    case stopping = 1
    /// It does not run the job and will refuse it if it comes along.
    case noted = 2
    /// It has completed the job; its result stands.
    case finished = 3
}

/// One worker's answer to a ``CancelRequest``.
public struct CancelReply: Sendable, Equatable {
    public var jobID: String
    public var outcome: CancelOutcome
    public var workerID: String
    /// Iterations completed so far, for ``CancelOutcome/stopping``.
    public var iteration: Int

    public init(jobID: String, outcome: CancelOutcome, workerID: String, iteration: Int = 0) {
        self.jobID = jobID
        self.outcome = outcome
        self.workerID = workerID
        self.iteration = iteration
    }
}

extension CancelRequest: WireMessage, Packable {
    public static let typeName = "rectifid.v1.CancelRequest"
    static let messageName = "CancelRequest"
    static var emptyCForm: Rectifid__V1__CancelRequest { empty(rectifid__v1__cancel_request__init) }

    public func encode() -> [UInt8] { pack(self) }

    public static func decode(_ bytes: [UInt8], limits: MessageLimits) throws(MessageError) -> CancelRequest {
        try decodeAndValidate(bytes, limits: limits)
    }

    public func validate() throws(MessageError) {
        try FieldPath("job_id").check(jobID: jobID)
        try FieldPath("reason").check(reason, bytes: 0...1000)
    }

    init(_ c: Rectifid__V1__CancelRequest, at field: FieldPath) throws(MessageError) {
        self.init(
            jobID: try c.job_id.text(at: field.child("job_id")), reason: try c.reason.text(at: field.child("reason")))
    }

    func cForm(in arena: CArena) -> Rectifid__V1__CancelRequest {
        var c = Self.emptyCForm
        c.job_id = arena.text(jobID)
        c.reason = arena.text(reason)
        return c
    }
}

extension CancelReply: WireMessage, Packable {
    public static let typeName = "rectifid.v1.CancelReply"
    static let messageName = "CancelReply"
    static var emptyCForm: Rectifid__V1__CancelReply { empty(rectifid__v1__cancel_reply__init) }

    public func encode() -> [UInt8] { pack(self) }

    public static func decode(_ bytes: [UInt8], limits: MessageLimits) throws(MessageError) -> CancelReply {
        try decodeAndValidate(bytes, limits: limits)
    }

    public func validate() throws(MessageError) {
        try FieldPath("job_id").check(jobID: jobID)
        try FieldPath("iteration").check(iteration, in: PersonalizeRequest.Allowed.iterations)
    }

    init(_ c: Rectifid__V1__CancelReply, at field: FieldPath) throws(MessageError) {
        let outcome: CancelOutcome? = try field.child("outcome").choice(c.outcome.rawValue)
        guard let outcome else { throw field.child("outcome").invalid("is not set", allowed: "an outcome") }
        self.init(
            jobID: try c.job_id.text(at: field.child("job_id")), outcome: outcome,
            workerID: try c.worker_id.text(at: field.child("worker_id")), iteration: Int(c.iteration))
    }

    func cForm(in arena: CArena) -> Rectifid__V1__CancelReply {
        var c = Self.emptyCForm
        c.job_id = arena.text(jobID)
        c.outcome = Rectifid__V1__CancelOutcome(rawValue: outcome.rawValue)
        c.worker_id = arena.text(workerID)
        c.iteration = UInt32(wire: iteration)
        return c
    }
}
