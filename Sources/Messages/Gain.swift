import CMessages
import CProtobufC

/// The factor c_k of step k in d_k ← d_k − c_k · rate · g_k / max(1, |g_k|).
public enum Gain: Sendable, Equatable {
    /// From the sampler's own step rule.
    case derived
    /// The constants of the authors' published scripts.
    case published
    /// The same for every step, -100 to 100.
    case constant(Float)
    /// One per step, each -100 to 100.
    case perStep([Float])

    // steps: how many the request asks for, nothing where it leaves them to the model.
    func validate(at field: FieldPath, steps: Int?) throws(MessageError) {
        switch self {
        case .derived, .published: break
        case .constant(let value): try field.child("constant").check(value, in: -100...100)
        case .perStep(let values):
            let at = field.child("schedule").child("values")
            try at.check(count: values.count, in: steps.map { $0...$0 } ?? 1...100, of: "gains, one per step")
            for (index, value) in values.enumerated() { try at[index].check(value, in: -100...100) }
        }
    }
}

extension Gain: Packable {
    static let messageName = "Gain"
    static var emptyCForm: Rectifid__V1__Gain { empty(rectifid__v1__gain__init) }

    init(_ c: Rectifid__V1__Gain, at field: FieldPath) throws(MessageError) {
        switch c.rule_case {
        case RECTIFID__V1__GAIN__RULE_PRESET:
            let preset: Preset? = try field.child("preset").choice(c.preset.rawValue)
            self = preset == .published ? .published : .derived
        case RECTIFID__V1__GAIN__RULE_CONSTANT: self = .constant(c.constant)
        case RECTIFID__V1__GAIN__RULE_SCHEDULE:
            self = .perStep(c.schedule.map { floats($0.pointee.values, $0.pointee.n_values) } ?? [])
        default: self = .derived
        }
    }

    /// The gain that a request asks for; nil where it leaves it to the model, also by a message without a rule.
    static func chosen(
        _ c: UnsafeMutablePointer<Rectifid__V1__Gain>?, at field: FieldPath
    ) throws(MessageError) -> Gain? {
        guard let rule = c?.pointee.rule_case else { return nil }
        if rule == RECTIFID__V1__GAIN__RULE__NOT_SET { return nil }
        if rule == RECTIFID__V1__GAIN__RULE_PRESET,
            c?.pointee.preset == RECTIFID__V1__GAIN_PRESET__GAIN_PRESET_UNSPECIFIED
        {
            return nil
        }
        return try field.message(c)
    }

    private enum Preset: UInt32, CaseIterable {
        case derived = 1
        case published = 2
    }

    func cForm(in arena: CArena) -> Rectifid__V1__Gain {
        var c = Self.emptyCForm
        switch self {
        case .derived:
            c.preset = RECTIFID__V1__GAIN_PRESET__GAIN_PRESET_DERIVED
            c.rule_case = RECTIFID__V1__GAIN__RULE_PRESET
        case .published:
            c.preset = RECTIFID__V1__GAIN_PRESET__GAIN_PRESET_PUBLISHED
            c.rule_case = RECTIFID__V1__GAIN__RULE_PRESET
        case .constant(let value):
            c.constant = value
            c.rule_case = RECTIFID__V1__GAIN__RULE_CONSTANT
        case .perStep(let values):
            let schedule = arena.message(rectifid__v1__gain_schedule__init)
            schedule.pointee.n_values = values.count
            schedule.pointee.values = arena.array(values)
            c.schedule = schedule
            c.rule_case = RECTIFID__V1__GAIN__RULE_SCHEDULE
        }
        return c
    }
}
