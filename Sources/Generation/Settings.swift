import Checkpoints
public import Flow
import Networks

/// The numbers of a job, none left open.
public struct Settings: Sendable, Hashable {
    /// Pixels.
    public var width, height: Int
    /// Evaluations of the flow per pass.
    public var steps: Int
    /// Updates of the guidance; a job makes one pass more.
    public var iterations: Int
    public var rate: Double
    public var gain: Gain
    /// Scale of classifier-free guidance.
    public var cfgScale: Float
    public var flow: Schedule.Kind
    public var effort = GuidanceEffort()

    /// Sides of pictures, in pixels.
    static let sides = 16...4096

    /// What the model's folder says, and the authors' numbers for its kind where it says nothing.
    init(_ folder: DiffusersFolder, scheduler: SchedulerConfiguration, side: Int) throws(GenerationError) {
        let said = folder.defaults
        width = said.width ?? side
        height = said.height ?? side
        steps = said.steps ?? 4
        iterations = said.iterations ?? (folder.pipeline == .stableDiffusionXL ? 100 : 50)
        rate = said.rate.map(Double.init) ?? 1
        gain =
            switch said.gain {
            case nil, .derived: .derived
            case .published: .published
            case .constant(let number): .uniform(Double(number))
            case .perStep(let numbers): .perStep(numbers.map(Double.init))
            }
        if let name = said.flow {
            guard let kind = Schedule.Kind(rawValue: name) else {
                throw GenerationError(
                    .invalidModel,
                    "\(folder.path): flow \(name.debugDescription) in rectifid.json; piecewise or rectified")
            }
            flow = kind
        } else {
            flow = scheduler.className.hasPrefix("PeRFlow") ? .piecewise : .rectified
        }
        cfgScale =
            if let scale = said.cfgScale { scale } else if flow == .rectified { 1.5 } else {
                switch Prediction(rawValue: scheduler.predictionType) {
                case .velocity: 4.5
                case .ddimEps: 1
                default: 3
                }
            }
    }

    /// These numbers with those of a request in their place.
    ///
    /// - Parameter factor: Pixels per pixel of the latent.
    /// - Throws: ``GenerationError`` naming the field that is out of its range.
    func overridden(by request: GenerationRequest, factor: Int) throws(GenerationError) -> Settings {
        var settings = self
        settings.width = request.width ?? width
        settings.height = request.height ?? height
        settings.steps = request.steps ?? steps
        settings.iterations = request.iterations ?? iterations
        settings.rate = request.rate ?? rate
        settings.cfgScale = request.cfgScale ?? cfgScale
        settings.flow = request.flow ?? flow
        settings.effort = request.effort
        // A list of the model's own holds for the model's own number of steps; others fall back to the step rule.
        if let gain = request.gain {
            settings.gain = gain
        } else if case .perStep(let numbers) = gain, numbers.count != settings.steps {
            settings.gain = .derived
        }
        try settings.check(factor: factor)
        return settings
    }

    private func check(factor: Int) throws(GenerationError) {
        for (field, side) in [("width", width), ("height", height)] {
            guard Settings.sides.contains(side), side % factor == 0 else {
                throw .invalid(field, "\(side) pixels; this model takes multiples of \(factor) from 16 to 4096")
            }
        }
        guard (1...100).contains(steps) else { throw .invalid("steps", "\(steps); 1 to 100 are possible") }
        guard (0...10_000).contains(iterations) else {
            throw .invalid("iterations", "\(iterations); 0 to 10000 are possible")
        }
        guard rate.isFinite, rate >= 0, rate <= 1000 else { throw .invalid("rate", "\(rate); 0 to 1000 are possible") }
        guard cfgScale.isFinite, abs(cfgScale) <= 100 else {
            throw .invalid("cfg", "\(cfgScale); 0 to 100 are possible")
        }
    }
}
