/// The diffusion process that a model was trained on: the share of signal left after each of its steps.
///
/// "Scaled linear" betas, as all Stable Diffusion models have them: beta_i = (linspace(sqrt(start), sqrt(end)))^2 and
/// cumulative alpha_i = product of (1 - beta_j) for j <= i.
public struct NoiseSchedule: Sendable, Hashable {
    /// Cumulative alphas, one per training step, falling from almost 1 to almost 0.
    public let cumulativeAlphas: [Double]

    /// 1000 steps, betas from 0.00085 to 0.012: SD1.5, SD2.1, SDXL and their PeRFlow versions.
    public static let stableDiffusion = NoiseSchedule(uncheckedSteps: 1000, betaStart: 0.00085, betaEnd: 0.012)

    /// The process that a scheduler's configuration describes.
    ///
    /// - Parameters:
    ///   - trainingSteps: `num_train_timesteps`, 2 to 100 000.
    ///   - betaStart: `beta_start`, in (0, 1).
    ///   - betaEnd: `beta_end`, in (0, 1), not below `betaStart`.
    /// - Throws: ``ScheduleError`` where a number is out of its range.
    public init(trainingSteps: Int, betaStart: Double, betaEnd: Double) throws(ScheduleError) {
        guard (2...100_000).contains(trainingSteps), betaStart > 0, betaEnd >= betaStart, betaEnd < 1 else {
            throw .noiseSchedule(trainingSteps: trainingSteps, betaStart: betaStart, betaEnd: betaEnd)
        }
        self.init(uncheckedSteps: trainingSteps, betaStart: betaStart, betaEnd: betaEnd)
    }

    /// Betas are rounded to float32 and so is each product, but the running product is kept in double: this is how
    /// PyTorch's `cumprod` gets the published numbers, and a float32 running product is 1e-6 off at the end.
    private init(uncheckedSteps count: Int, betaStart: Double, betaEnd: Double) {
        let (first, last) = (Float(betaStart.squareRoot()), Float(betaEnd.squareRoot()))
        let spacing = (last - first) / Float(count - 1)
        var product = 1.0
        var alphas: [Double] = []
        alphas.reserveCapacity(count)
        for index in 0..<count {
            // Counted from the nearer end, as torch.linspace does.
            let root = index < count / 2 ? first + spacing * Float(index) : last - spacing * Float(count - 1 - index)
            product *= Double(1 - root * root)
            alphas.append(Double(Float(product)))
        }
        cumulativeAlphas = alphas
    }

    /// Number of training steps, T; networks take t * T.
    public var trainingSteps: Int { cumulativeAlphas.count }
}
