import CMessages
import CProtobufC

/// A job that a worker is running, as it describes itself.
public struct RunningJob: Sendable, Equatable {
    public var jobID: String
    /// Iterations completed, and how many there are in all.
    public var iteration: Int
    public var iterations: Int
    /// Since this worker took it up.
    public var seconds: Double

    public init(jobID: String, iteration: Int, iterations: Int, seconds: Double) {
        self.jobID = jobID
        self.iteration = iteration
        self.iterations = iterations
        self.seconds = seconds
    }

    func validate(at field: FieldPath) throws(MessageError) {
        try field.child("job_id").check(jobID: jobID)
        try field.child("iterations").check(iterations, in: PersonalizeRequest.Allowed.iterations)
        try field.child("iteration").check(iteration, in: 0...iterations)
        try field.child("seconds").check(seconds, in: 0...1e12)
    }
}

extension RunningJob: Packable {
    static let messageName = "RunningJob"
    static var emptyCForm: Rectifid__V1__RunningJob { empty(rectifid__v1__running_job__init) }

    init(_ c: Rectifid__V1__RunningJob, at field: FieldPath) throws(MessageError) {
        self.init(
            jobID: try c.job_id.text(at: field.child("job_id")), iteration: Int(c.iteration),
            iterations: Int(c.iterations), seconds: c.seconds)
    }

    func cForm(in arena: CArena) -> Rectifid__V1__RunningJob {
        var c = Self.emptyCForm
        c.job_id = arena.text(jobID)
        c.iteration = UInt32(wire: iteration)
        c.iterations = UInt32(wire: iterations)
        c.seconds = seconds
        return c
    }
}

/// A lane that a worker takes jobs from.
public struct ServedLane: Sendable, Equatable {
    /// As routing keys have it.
    public var name: String
    /// Its part of the jobs while all lanes have some: this many of the sum over all lanes.
    public var weight: Int
    /// How many queues of the lane it serves.
    public var shards: Int

    public init(name: String, weight: Int, shards: Int) {
        self.name = name
        self.weight = weight
        self.shards = shards
    }

    func validate(at field: FieldPath) throws(MessageError) {
        try field.child("name").check(name, bytes: 1...100)
        try field.child("weight").check(weight, in: 0...Int(UInt32.max))
        try field.child("shards").check(shards, in: 1...64)
    }
}

extension ServedLane: Packable {
    static let messageName = "ServedLane"
    static var emptyCForm: Rectifid__V1__ServedLane { empty(rectifid__v1__served_lane__init) }

    init(_ c: Rectifid__V1__ServedLane, at field: FieldPath) throws(MessageError) {
        self.init(name: try c.name.text(at: field.child("name")), weight: Int(c.weight), shards: Int(c.shards))
    }

    func cForm(in arena: CArena) -> Rectifid__V1__ServedLane {
        var c = Self.emptyCForm
        c.name = arena.text(name)
        c.weight = UInt32(wire: weight)
        c.shards = UInt32(wire: shards)
        return c
    }
}

/// A model that a worker serves, and what applies where a request leaves a field unset.
public struct ModelDescription: Sendable, Equatable {
    /// For ``PersonalizeRequest/modelID``.
    public var id: String
    /// Fingerprint of its weights, or empty.
    public var hash: String
    public var flow: FlowKind
    /// In pixels.
    public var width: Int
    public var height: Int
    public var steps: Int
    public var iterations: Int
    public var cfgScale: Float

    public init(
        id: String, hash: String, flow: FlowKind, width: Int, height: Int, steps: Int, iterations: Int, cfgScale: Float
    ) {
        self.id = id
        self.hash = hash
        self.flow = flow
        self.width = width
        self.height = height
        self.steps = steps
        self.iterations = iterations
        self.cfgScale = cfgScale
    }

    func validate(at field: FieldPath) throws(MessageError) {
        try field.child("id").check(id, bytes: 1...200)
        try field.child("hash").check(hash: hash)
        try field.child("width").check(width, in: PersonalizeRequest.Allowed.side)
        try field.child("height").check(height, in: PersonalizeRequest.Allowed.side)
        try field.child("steps").check(steps, in: PersonalizeRequest.Allowed.steps)
        try field.child("iterations").check(iterations, in: PersonalizeRequest.Allowed.iterations)
        try field.child("cfg_scale").check(cfgScale, aboveZeroTo: PersonalizeRequest.Allowed.maximumCFGScale)
    }
}

extension ModelDescription: Packable {
    static let messageName = "ModelDescription"
    static var emptyCForm: Rectifid__V1__ModelDescription { empty(rectifid__v1__model_description__init) }

    init(_ c: Rectifid__V1__ModelDescription, at field: FieldPath) throws(MessageError) {
        let flow: FlowKind? = try field.child("flow").choice(c.flow.rawValue)
        guard let flow else { throw field.child("flow").invalid("is not set", allowed: "a kind of flow") }
        self.init(
            id: try c.id.text(at: field.child("id")), hash: try c.hash.text(at: field.child("hash")), flow: flow,
            width: Int(c.width), height: Int(c.height), steps: Int(c.steps), iterations: Int(c.iterations),
            cfgScale: c.cfg_scale)
    }

    func cForm(in arena: CArena) -> Rectifid__V1__ModelDescription {
        var c = Self.emptyCForm
        c.id = arena.text(id)
        c.hash = arena.text(hash)
        c.flow = Rectifid__V1__Flow(rawValue: flow.rawValue)
        c.width = UInt32(wire: width)
        c.height = UInt32(wire: height)
        c.steps = UInt32(wire: steps)
        c.iterations = UInt32(wire: iterations)
        c.cfg_scale = cfgScale
        return c
    }
}
