/// c_k: how much of a gradient step becomes the offset after step k.
public enum Gain: Sendable, Hashable, Codable {
    /// From the step rule, -eta / lambda of each step's window; 1 for velocity networks and 2-rectified flow.
    case derived
    /// What the authors' scripts use: 0.95796674 at every step of SD1.5, SDXL's own list, 1 elsewhere.
    case published
    /// The same number at every step.
    case uniform(Double)
    /// One number per step.
    case perStep([Double])

    /// The gains as numbers, one per step of the schedule.
    ///
    /// - Throws: ``ScheduleError`` where a list has another length or a number is not finite.
    public func resolved(for schedule: Schedule) throws(ScheduleError) -> [Double] {
        let gains: [Double]
        switch self {
        case .derived: gains = schedule.steps.map { $0.window?.derivedGain(schedule.prediction) ?? 1 }
        case .published: gains = schedule.steps.map { $0.window?.publishedGain(schedule.prediction) ?? 1 }
        case .uniform(let number): gains = schedule.steps.map { _ in number }
        case .perStep(let numbers): gains = numbers
        }
        guard gains.count == schedule.steps.count else {
            throw .gainCount(gains.count, steps: schedule.steps.count)
        }
        if let number = gains.first(where: { !$0.isFinite }) { throw .gain(number) }
        return gains
    }
}

/// Gains as people write them: `derived`, `published`, `0.9` or `0.96,0.89,0.77,0.57`.
extension Gain: LosslessStringConvertible {
    public init?(_ description: String) {
        switch description {
        case "derived": self = .derived
        case "published": self = .published
        default:
            var numbers: [Double] = []
            for part in description.split(separator: ",", omittingEmptySubsequences: false) {
                guard let number = Double(part), number.isFinite else { return nil }
                numbers.append(number)
            }
            self = numbers.count == 1 ? .uniform(numbers[0]) : .perStep(numbers)
        }
    }

    public var description: String {
        switch self {
        case .derived: "derived"
        case .published: "published"
        case .uniform(let number): "\(number)"
        case .perStep(let numbers): numbers.map { "\($0)" }.joined(separator: ",")
        }
    }
}
