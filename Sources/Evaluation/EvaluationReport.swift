import Flow
public import Generation

/// Everything that an evaluation found, as `--json` writes it.
public struct EvaluationReport: Sendable, Codable {
    /// Of this layout; it grows where a key changes its meaning.
    public static let format = 1

    public let format: Int
    public let model: ModelRecord
    public let settings: SettingsRecord
    /// Whom pictures were made of.
    public let people: [String]
    /// Among whom the judge chose.
    public let references: [String]
    public let prompts: [PromptSet.Prompt]
    public let seeds: [UInt64]
    /// Attributes that prompts ask for and the scene classifier reads.
    public let attributes: [String]
    /// Statistics by name: `unguided.` or `guided.` and the name of a ``Figure``; `autoencoder.psnr` and
    /// `autoencoder.judge`.
    public let figures: [String: Statistic]
    /// The guided figures of each prompt, in the prompts' order, by the name of the figure.
    public let byPrompt: [[String: Statistic]]
    public let goals: [GoalResult]
    public let pictures: [PictureScore]
    /// Pictures that a complete evaluation has.
    public let planned: Int
    public let cost: Cost

    public struct ModelRecord: Sendable, Hashable, Codable {
        public let id, hash: String
    }

    public struct SettingsRecord: Sendable, Hashable, Codable {
        public let width, height, steps, iterations: Int
        public let rate: Double
        public let gain: String
        public let cfg: Float
        public let flow: String
        /// What makes guidance cheaper or ends it early, in the words of the command line; nil for the paper's method.
        public var effort: [String: String]?
    }

    /// What it took.
    public struct Cost: Sendable, Hashable, Codable {
        /// Of wall clock, in all.
        public let seconds: Double
        /// Of all cores together, which other programs on the machine do not lengthen.
        public let processorSeconds: Double
        /// Most memory that the process ever held; nil where the system does not say.
        public let peakBytes: Int?
        /// Pictures at once, and threads of each.
        public let atOnce, threads: Int

        public init(seconds: Double, processorSeconds: Double, peakBytes: Int?, atOnce: Int, threads: Int) {
            (self.seconds, self.processorSeconds, self.peakBytes) = (seconds, processorSeconds, peakBytes)
            (self.atOnce, self.threads) = (atOnce, threads)
        }
    }

    /// Sums up.
    ///
    /// - Parameters:
    ///   - scores: As far as they were made.
    ///   - attributes: What prompts ask for and the scene classifier reads, in the order of the report.
    public init(
        _ scores: [PictureScore], of plan: EvaluationPlan, model: Model, settings: Settings, attributes: [String],
        autoencoder: Autoencoder.Report?, cost: Cost
    ) {
        self.init(
            scores, of: plan, model: ModelRecord(id: model.id, hash: model.hash), settings: SettingsRecord(settings),
            attributes: attributes, autoencoder: autoencoder, cost: cost)
    }

    init(
        _ scores: [PictureScore], of plan: EvaluationPlan, model: ModelRecord, settings: SettingsRecord,
        attributes: [String], autoencoder: Autoencoder.Report?, cost: Cost
    ) {
        let kinds = Figure.all(attributes: attributes)
        var figures: [String: Statistic] = [:]
        for isGuided in [false, true] {
            let chosen = scores.filter { $0.isGuided == isGuided }
            for kind in kinds {
                figures[EvaluationReport.name(kind, isGuided: isGuided)] = kind.statistic(of: chosen)
            }
        }
        figures[EvaluationReport.psnr] = autoencoder?.psnr
        figures[EvaluationReport.throughAutoencoder] = autoencoder?.judge
        format = EvaluationReport.format
        self.model = model
        self.settings = settings
        people = plan.references.prefix(plan.people).map(\.name)
        references = plan.references.map(\.name)
        prompts = plan.prompts.prompts
        seeds = plan.seeds
        self.attributes = attributes
        self.figures = figures
        byPrompt = plan.prompts.prompts.map { prompt in
            let chosen = scores.filter { $0.isGuided && $0.prompt == prompt.text }
            return kinds.reduce(into: [:]) { $0[$1.name] = $1.statistic(of: chosen) }
        }
        goals = plan.prompts.goals.map { $0.result(in: figures) }
        pictures = scores
        planned = plan.items.count * (settings.iterations > 0 ? 2 : 1)
        self.cost = cost
    }

    public var isComplete: Bool { pictures.count == planned }
    /// Whether every goal is met.
    public var meetsGoals: Bool { goals.allSatisfy(\.isMet) }

    static let psnr = "autoencoder.psnr", throughAutoencoder = "autoencoder.judge"

    static func name(_ figure: Figure, isGuided: Bool) -> String {
        (isGuided ? "guided." : "unguided.") + figure.name
    }

    /// Refuses goals for figures that no report of these prompts can have.
    ///
    /// - Throws: ``EvaluationError/mismatched(_:)``.
    public static func check(_ prompts: PromptSet) throws(EvaluationError) {
        let kinds = Figure.all(attributes: prompts.attributes)
        let names = [false, true].flatMap { isGuided in kinds.map { name($0, isGuided: isGuided) } }
        for goal in prompts.goals { try goal.check(among: names + [psnr, throughAutoencoder]) }
    }
}

extension EvaluationReport.SettingsRecord {
    init(_ settings: Settings) {
        (width, height, steps) = (settings.width, settings.height, settings.steps)
        (iterations, rate) = (settings.iterations, settings.rate)
        gain =
            switch settings.gain {
            case .derived, .published: settings.gain.description
            // Single precision is what model files and messages have: more digits than theirs would be noise.
            case .uniform(let number): Float(number).description
            case .perStep(let numbers): numbers.map { Float($0).description }.joined(separator: ",")
            }
        cfg = settings.cfgScale
        flow = settings.flow.rawValue
        let words = settings.effort.words
        effort = words.isEmpty ? nil : Dictionary(uniqueKeysWithValues: words.map { ($0.name, $0.value) })
    }
}
