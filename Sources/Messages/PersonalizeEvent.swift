import CMessages
import CProtobufC

/// One reply to a job.
public struct PersonalizeEvent: Sendable, Equatable {
    public enum Body: Sendable, Equatable {
        /// A worker has taken the job up. Can come again after an interruption.
        case accepted(PersonalizeAccepted)
        case progress(PersonalizeProgress)
        /// The last event of the job.
        case result(PersonalizeResult)
    }

    /// `message_id` of the request.
    public var jobID: String
    /// Rises by one with each event of the job, from 0.
    public var sequence: UInt64
    public var body: Body

    public init(jobID: String, sequence: UInt64, body: Body) {
        self.jobID = jobID
        self.sequence = sequence
        self.body = body
    }

    /// Whether no event follows.
    public var isFinal: Bool {
        if case .result = body { true } else { false }
    }
}

extension PersonalizeEvent: WireMessage {
    public static let typeName = "rectifid.v1.PersonalizeEvent"

    public func encode() -> [UInt8] { pack(self) }

    public static func decode(_ bytes: [UInt8], limits: MessageLimits) throws(MessageError) -> PersonalizeEvent {
        try decodeAndValidate(bytes, limits: limits)
    }

    public func validate() throws(MessageError) {
        try FieldPath("job_id").check(jobID: jobID)
        switch body {
        case .accepted(let accepted): try accepted.validate(at: FieldPath("accepted"))
        case .progress(let progress): try progress.validate(at: FieldPath("progress"))
        case .result(let result): try result.validate(at: FieldPath("result"))
        }
    }
}

extension PersonalizeEvent: Packable {
    static let messageName = "PersonalizeEvent"
    static var emptyCForm: Rectifid__V1__PersonalizeEvent { empty(rectifid__v1__personalize_event__init) }

    init(_ c: Rectifid__V1__PersonalizeEvent, at field: FieldPath) throws(MessageError) {
        self.init(
            jobID: try c.job_id.text(at: field.child("job_id")), sequence: c.sequence,
            body: try Body(c, at: field))
        try field.child("final").require(
            (c.final != 0) == isFinal, "is \(c.final != 0)", allowed: "true for a result, false for all else")
    }

    func cForm(in arena: CArena) -> Rectifid__V1__PersonalizeEvent {
        var c = Self.emptyCForm
        c.job_id = arena.text(jobID)
        c.sequence = sequence
        c.final = isFinal ? 1 : 0
        switch body {
        case .accepted(let accepted):
            c.accepted = arena.place(accepted)
            c.event_case = RECTIFID__V1__PERSONALIZE_EVENT__EVENT_ACCEPTED
        case .progress(let progress):
            c.progress = arena.place(progress)
            c.event_case = RECTIFID__V1__PERSONALIZE_EVENT__EVENT_PROGRESS
        case .result(let result):
            c.result = arena.place(result)
            c.event_case = RECTIFID__V1__PERSONALIZE_EVENT__EVENT_RESULT
        }
        return c
    }
}

extension PersonalizeEvent.Body {
    fileprivate init(_ c: Rectifid__V1__PersonalizeEvent, at field: FieldPath) throws(MessageError) {
        switch c.event_case {
        case RECTIFID__V1__PERSONALIZE_EVENT__EVENT_ACCEPTED:
            if let accepted: PersonalizeAccepted = try field.child("accepted").message(c.accepted) {
                self = .accepted(accepted)
                return
            }
        case RECTIFID__V1__PERSONALIZE_EVENT__EVENT_PROGRESS:
            if let progress: PersonalizeProgress = try field.child("progress").message(c.progress) {
                self = .progress(progress)
                return
            }
        case RECTIFID__V1__PERSONALIZE_EVENT__EVENT_RESULT:
            if let result: PersonalizeResult = try field.child("result").message(c.result) {
                self = .result(result)
                return
            }
        default: break
        }
        throw field.child("event").invalid(
            "is of no kind that this version knows", allowed: "accepted, progress, result")
    }
}
