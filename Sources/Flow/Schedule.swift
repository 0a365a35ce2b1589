/// Which steps a sampler takes through time, and by which rule.
public struct Schedule: Sendable, Hashable {
    /// How a flow is straight, which decides what guidance anchors to.
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// Straight within each of several windows (PeRFlow): offsets are added to the current end of each step.
        case piecewise
        /// Straight from noise to data (2-rectified flow): offsets are added to the unguided trajectory.
        case rectified
    }

    /// The kind of flow.
    public let kind: Kind
    /// What the network returns.
    public let prediction: Prediction
    /// The steps, at least one, from noise to data.
    public let steps: [Step]

    /// Steps of a piecewise rectified flow, spread evenly over its windows (PeRFlow's `set_timesteps`).
    ///
    /// Each window gets count / windows steps, the first count mod windows ones one more; within a window they are evenly
    /// spaced from its start, the end excluded. Time steps are cut to whole numbers: 4 steps are 1000, 750, 500, 250.
    ///
    /// - Parameters:
    ///   - count: Number of steps, at least 1; fewer than windows count as one per window, as in PeRFlow's scheduler.
    ///   - windows: `num_time_windows`, at least 1.
    ///   - prediction: `prediction_type`.
    ///   - noise: The process that the model was trained on.
    /// - Throws: ``ScheduleError`` where there are no steps or windows, or more than the training steps can tell apart.
    public static func piecewise(
        steps count: Int, windows: Int = 4, prediction: Prediction, noise: NoiseSchedule = .stableDiffusion
    ) throws(ScheduleError) -> Schedule {
        let trainingSteps = noise.trainingSteps
        guard count >= 1, windows >= 1, max(count, windows) <= trainingSteps / 2 else {
            throw .stepCount(count, windows: windows, limit: trainingSteps / 2)
        }
        let count = max(count, windows)
        var plan: [(timestep: Int, window: TimeWindow)] = []
        for index in 0..<windows {
            let window = TimeWindow(index: index, of: windows, noise: noise)
            let own = count / windows + (index < count % windows ? 1 : 0)
            // NumPy's order of operations, so that the cut falls the same way.
            let spacing = (window.end - window.start) / Double(own)
            plan += (0..<own).map { (Int((Double($0) * spacing + window.start) * Double(trainingSteps)), window) }
        }
        let steps = plan.indices.map { index in
            Step(
                index: index, timestep: plan[index].timestep,
                next: index + 1 < plan.count ? plan[index + 1].timestep : 0,
                trainingSteps: trainingSteps, window: plan[index].window, prediction: prediction)
        }
        return Schedule(kind: .piecewise, prediction: prediction, steps: steps)
    }

    /// Euler steps of a 2-rectified flow (InstaFlow): step i at the time step (1 - i / count) * 1000, not cut, each adding
    /// velocity / count.
    ///
    /// - Parameters:
    ///   - count: Number of steps, 1 to half the training steps.
    ///   - trainingSteps: What networks take for time 1.
    /// - Throws: ``ScheduleError`` where the number of steps is out of its range.
    public static func rectified(steps count: Int, trainingSteps: Int = 1000) throws(ScheduleError) -> Schedule {
        guard count >= 1, count <= trainingSteps / 2 else {
            throw .stepCount(count, windows: 1, limit: trainingSteps / 2)
        }
        let steps = (0..<count).map { Step(index: $0, of: count, trainingSteps: trainingSteps) }
        return Schedule(kind: .rectified, prediction: .velocity, steps: steps)
    }
}

/// What a schedule refuses.
public enum ScheduleError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A number of steps or windows that cannot be spread over time.
    case stepCount(Int, windows: Int, limit: Int)
    /// Parameters of a training process that no model has.
    case noiseSchedule(trainingSteps: Int, betaStart: Double, betaEnd: Double)
    /// A list of gains whose length is not the number of steps.
    case gainCount(Int, steps: Int)
    /// A gain that is not a finite number.
    case gain(Double)

    public var description: String {
        switch self {
        case .stepCount(let count, let windows, let limit):
            "\(count) steps over \(windows) windows cannot be scheduled; use 1 to \(limit) of each"
        case .noiseSchedule(let steps, let start, let end):
            "a noise schedule of \(steps) training steps with betas from \(start) to \(end) is not usable;"
                + " 2 to 100000 steps and 0 < start <= end < 1 are"
        case .gainCount(let count, let steps):
            "\(count) gains for \(steps) steps; give one number for all steps or one per step"
        case .gain(let value):
            "a gain of \(value) is not usable; give a finite number"
        }
    }
}
