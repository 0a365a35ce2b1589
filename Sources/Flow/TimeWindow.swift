/// What a network's output stands for; the raw values are those of PeRFlow's scheduler configuration.
public enum Prediction: String, Sendable, Hashable, Codable, CaseIterable {
    /// Noise of the piecewise flow, relative to the window's end (SD1.5).
    case diffEps = "diff_eps"
    /// Noise in the sense of DDIM (SDXL).
    case ddimEps = "ddim_eps"
    /// The velocity itself (SD2.1, 2-rectified flow).
    case velocity
}

/// A stretch of time on which a piecewise rectified flow is straight (PeRFlow, arXiv 2405.07510).
///
/// Time runs from 1, noise, to 0, data, as in PeRFlow's scheduler; RectifID's paper counts the other way.
public struct TimeWindow: Sendable, Hashable {
    /// Position among the windows, 0 being the noisiest.
    public let index: Int
    /// The noisier end, in (0, 1].
    public let start: Double
    /// The cleaner end, in [0, 1).
    public let end: Double
    /// Cumulative alpha at ``start``.
    public let alphaStart: Double
    /// Cumulative alpha at ``end``; of training step 0 for the last window, since there is none before it.
    public let alphaEnd: Double

    init(index: Int, of count: Int, noise: NoiseSchedule) {
        self.index = index
        start = Double(count - index) / Double(count)
        end = Double(count - index - 1) / Double(count)
        let alphas = noise.cumulativeAlphas
        func alpha(_ time: Double) -> Double {
            alphas[min(max(Int(time * Double(alphas.count) - 1), 0), alphas.count - 1)]
        }
        alphaStart = alpha(start)
        alphaEnd = alpha(end)
    }

    /// gamma = sqrt(alphaStart / alphaEnd): how much of the window end's signal its start holds.
    public var gamma: Double { (alphaStart / alphaEnd).squareRoot() }

    /// The straight line from the window's start to its end, x_end = lambda x + eta noise; nil for velocity networks,
    /// whose line the output itself gives.
    public func line(_ prediction: Prediction) -> (lambda: Double, eta: Double)? {
        switch prediction {
        case .diffEps: (1 / gamma, -(1 - gamma * gamma).squareRoot() / gamma)
        case .ddimEps: (1 / gamma, endNoise - carriedNoise)
        case .velocity: nil
        }
    }

    /// The gain that keeps an offset of the window's end as the same change of its start, -eta / lambda; 1 for velocity.
    public func derivedGain(_ prediction: Prediction) -> Double {
        guard let (lambda, eta) = line(prediction) else { return 1 }
        return -eta / lambda
    }

    /// The gain of the authors' scripts: the first window's for every window (SD1.5), and for SDXL the line's eta with
    /// its terms added where the scheduler subtracts them.
    public func publishedGain(_ prediction: Prediction) -> Double {
        switch prediction {
        case .diffEps: 0.95796674
        case .ddimEps: (endNoise + carriedNoise) * gamma
        case .velocity: 1
        }
    }

    private var endNoise: Double { (1 - alphaEnd).squareRoot() }
    private var carriedNoise: Double { (alphaEnd * (1 - alphaStart) / alphaStart).squareRoot() }
}
