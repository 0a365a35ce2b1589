/// `scheduler_config.json`: the noise schedule that the network was trained with, and what its output means.
public struct SchedulerConfiguration: Decodable, Sendable, Hashable {
    /// Class of the diffusers library or of PeRFlow, as the file names it.
    public let className: String
    public let trainingSteps: Int
    public let betaStart: Double
    public let betaEnd: Double
    /// `scaled_linear` for every model that this program runs.
    public let betaSchedule: String
    /// What the network predicts: `diff_eps`, `ddim_eps` or `velocity` (PeRFlow); `epsilon` or `v_prediction` (others).
    public let predictionType: String
    /// Windows of a piecewise flow, evenly spaced over the time from noise to picture.
    public let timeWindows: Int

    enum CodingKeys: String, CodingKey {
        case className = "_class_name"
        case trainingSteps = "num_train_timesteps"
        case betaStart = "beta_start"
        case betaEnd = "beta_end"
        case betaSchedule = "beta_schedule"
        case predictionType = "prediction_type"
        case timeWindows = "num_time_windows"
    }

    /// Decodes with the defaults of `PeRFlowScheduler`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        className = try container.value(.className, or: "")
        trainingSteps = try container.value(.trainingSteps, or: 1000)
        betaStart = try container.value(.betaStart, or: 0.00085)
        betaEnd = try container.value(.betaEnd, or: 0.012)
        betaSchedule = try container.value(.betaSchedule, or: "scaled_linear")
        predictionType = try container.value(.predictionType, or: "ddim_eps")
        timeWindows = try container.value(.timeWindows, or: 4)
        guard 2...1_000_000 ~= trainingSteps, 0 < betaStart, betaStart <= betaEnd, betaEnd < 1,
            1...trainingSteps ~= timeWindows
        else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "num_train_timesteps \(trainingSteps), beta \(betaStart) to \(betaEnd) and "
                        + "num_time_windows \(timeWindows) make no noise schedule"))
        }
    }
}
