import CMessages
import CProtobufC

/// Time spent in one phase of a job.
public struct Timing: Sendable, Equatable {
    /// Such as "guidance" or "decode".
    public var phase: String
    public var seconds: Double
    /// How often the phase ran.
    public var count: Int

    public init(phase: String, seconds: Double, count: Int = 1) {
        self.phase = phase
        self.seconds = seconds
        self.count = count
    }

    func validate(at field: FieldPath) throws(MessageError) {
        try field.child("phase").check(phase, bytes: 1...200)
        try field.child("seconds").check(seconds, in: 0...1e9)
        try field.child("count").check(count, in: 0...Int(UInt32.max))
    }

    static func validate(_ timings: [Timing], at field: FieldPath) throws(MessageError) {
        try field.check(count: timings.count, in: 0...100, of: "phases")
        for (index, timing) in timings.enumerated() { try timing.validate(at: field[index]) }
    }
}

extension Timing: Packable {
    static let messageName = "Timing"
    static var emptyCForm: Rectifid__V1__Timing { empty(rectifid__v1__timing__init) }

    init(_ c: Rectifid__V1__Timing, at field: FieldPath) throws(MessageError) {
        self.init(phase: try c.phase.text(at: field.child("phase")), seconds: c.seconds, count: Int(c.count))
    }

    func cForm(in arena: CArena) -> Rectifid__V1__Timing {
        var c = Self.emptyCForm
        c.phase = arena.text(phase)
        c.seconds = seconds
        c.count = UInt32(wire: count)
        return c
    }
}
