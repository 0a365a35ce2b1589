import CMessages
import CProtobufC

/// Where a worker is in its life.
public enum WorkerState: UInt32, Sendable, CaseIterable {
    /// Loading models; takes no jobs yet.
    case starting = 1
    /// Takes jobs.
    case ready = 2
    /// Finishes or hands over what it has and takes nothing new.
    case draining = 3
}

/// A worker's answer to a ``DescribeRequest``.
public struct DescribeReply: Sendable, Equatable {
    /// Unique among the workers of a broker.
    public var workerID: String
    /// Version of rectifid.
    public var version: String
    public var state: WorkerState
    /// What it computes on, in words.
    public var device: String
    /// How many jobs it runs at a time.
    public var slots: Int
    public var jobs: [RunningJob]
    /// The first is its default.
    public var models: [ModelDescription]
    /// Subjects it can measure.
    public var subjects: [Subject]
    public var uptimeSeconds: Double
    /// Jobs replied to since it started.
    public var jobsSucceeded: UInt64
    public var jobsFailed: UInt64
    public var maximumRequestBytes: UInt64
    /// Lanes it takes jobs from; none from one that has not looked for its queues yet.
    public var lanes: [ServedLane]

    public init(
        workerID: String, version: String, state: WorkerState, device: String, slots: Int, jobs: [RunningJob],
        models: [ModelDescription], subjects: [Subject], uptimeSeconds: Double, jobsSucceeded: UInt64,
        jobsFailed: UInt64, maximumRequestBytes: UInt64, lanes: [ServedLane] = []
    ) {
        self.workerID = workerID
        self.version = version
        self.state = state
        self.device = device
        self.slots = slots
        self.jobs = jobs
        self.models = models
        self.subjects = subjects
        self.uptimeSeconds = uptimeSeconds
        self.jobsSucceeded = jobsSucceeded
        self.jobsFailed = jobsFailed
        self.maximumRequestBytes = maximumRequestBytes
        self.lanes = lanes
    }
}

extension DescribeReply: WireMessage, Packable {
    public static let typeName = "rectifid.v1.DescribeReply"
    static let messageName = "DescribeReply"
    static var emptyCForm: Rectifid__V1__DescribeReply { empty(rectifid__v1__describe_reply__init) }

    public func encode() -> [UInt8] { pack(self) }

    public static func decode(_ bytes: [UInt8], limits: MessageLimits) throws(MessageError) -> DescribeReply {
        try decodeAndValidate(bytes, limits: limits)
    }

    public func validate() throws(MessageError) {
        try FieldPath("worker_id").check(workerID, bytes: 1...200)
        try FieldPath("slots").check(slots, in: 0...Int(UInt32.max))
        try FieldPath("jobs").check(count: jobs.count, in: 0...10_000, of: "jobs")
        for (index, job) in jobs.enumerated() { try job.validate(at: FieldPath("jobs")[index]) }
        try FieldPath("models").check(count: models.count, in: 0...1000, of: "models")
        for (index, model) in models.enumerated() { try model.validate(at: FieldPath("models")[index]) }
        try FieldPath("subjects").check(count: subjects.count, in: 0...100, of: "subjects")
        try FieldPath("uptime_seconds").check(uptimeSeconds, in: 0...1e12)
        try FieldPath("lanes").check(count: lanes.count, in: 0...100, of: "lanes")
        for (index, lane) in lanes.enumerated() { try lane.validate(at: FieldPath("lanes")[index]) }
    }

    init(_ c: Rectifid__V1__DescribeReply, at field: FieldPath) throws(MessageError) {
        let state: WorkerState? = try field.child("state").choice(c.state.rawValue)
        guard let state else { throw field.child("state").invalid("is not set", allowed: "a state") }
        var subjects: [Subject] = []
        for (index, subject) in UnsafeBufferPointer(start: c.subjects, count: c.n_subjects).enumerated() {
            if let known: Subject = try field.child("subjects")[index].choice(subject.rawValue) {
                subjects.append(known)
            }
        }
        self.init(
            workerID: try c.worker_id.text(at: field.child("worker_id")),
            version: try c.version.text(at: field.child("version")),
            state: state,
            device: try c.device.text(at: field.child("device")),
            slots: Int(c.slots),
            jobs: try field.child("jobs").messages(c.jobs, c.n_jobs),
            models: try field.child("models").messages(c.models, c.n_models),
            subjects: subjects,
            uptimeSeconds: c.uptime_seconds,
            jobsSucceeded: c.jobs_succeeded,
            jobsFailed: c.jobs_failed,
            maximumRequestBytes: c.maximum_request_bytes,
            lanes: try field.child("lanes").messages(c.lanes, c.n_lanes))
    }

    func cForm(in arena: CArena) -> Rectifid__V1__DescribeReply {
        var c = Self.emptyCForm
        c.worker_id = arena.text(workerID)
        c.version = arena.text(version)
        c.state = Rectifid__V1__WorkerState(rawValue: state.rawValue)
        c.device = arena.text(device)
        c.slots = UInt32(wire: slots)
        c.n_jobs = jobs.count
        c.jobs = arena.array(jobs)
        c.n_models = models.count
        c.models = arena.array(models)
        c.n_subjects = subjects.count
        c.subjects = arena.array(subjects.map { Rectifid__V1__Subject(rawValue: $0.rawValue) })
        c.uptime_seconds = uptimeSeconds
        c.jobs_succeeded = jobsSucceeded
        c.jobs_failed = jobsFailed
        c.maximum_request_bytes = maximumRequestBytes
        c.n_lanes = lanes.count
        c.lanes = arena.array(lanes)
        return c
    }
}
