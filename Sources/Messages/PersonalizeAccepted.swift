import CMessages
import CProtobufC

/// The event of a worker taking a job up.
public struct PersonalizeAccepted: Sendable, Equatable {
    public var workerID: String
    /// From 1; being interrupted is no attempt.
    public var attempt: Int
    /// 0, or where an interrupted job goes on.
    public var firstIteration: Int
    /// How many there are in all.
    public var iterations: Int
    public var modelID: String
    public var seed: UInt64

    public init(
        workerID: String, attempt: Int, firstIteration: Int = 0, iterations: Int, modelID: String, seed: UInt64
    ) {
        self.workerID = workerID
        self.attempt = attempt
        self.firstIteration = firstIteration
        self.iterations = iterations
        self.modelID = modelID
        self.seed = seed
    }

    func validate(at field: FieldPath) throws(MessageError) {
        try field.child("attempt").check(attempt, in: 1...Int(UInt32.max))
        try field.child("iterations").check(iterations, in: PersonalizeRequest.Allowed.iterations)
        try field.child("first_iteration").check(firstIteration, in: 0...iterations)
    }
}

extension PersonalizeAccepted: Packable {
    static let messageName = "Accepted"
    static var emptyCForm: Rectifid__V1__Accepted { empty(rectifid__v1__accepted__init) }

    init(_ c: Rectifid__V1__Accepted, at field: FieldPath) throws(MessageError) {
        self.init(
            workerID: try c.worker_id.text(at: field.child("worker_id")), attempt: Int(c.attempt),
            firstIteration: Int(c.first_iteration), iterations: Int(c.iterations),
            modelID: try c.model_id.text(at: field.child("model_id")), seed: c.seed)
    }

    func cForm(in arena: CArena) -> Rectifid__V1__Accepted {
        var c = Self.emptyCForm
        c.worker_id = arena.text(workerID)
        c.attempt = UInt32(wire: attempt)
        c.first_iteration = UInt32(wire: firstIteration)
        c.iterations = UInt32(wire: iterations)
        c.model_id = arena.text(modelID)
        c.seed = seed
        return c
    }
}
