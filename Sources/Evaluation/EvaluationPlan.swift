public import Flow
public import Generation
import Raster

/// What an evaluation makes: every person with every prompt and every seed.
public struct EvaluationPlan: Sendable {
    /// Numbers in place of the model's own.
    public struct Overrides: Sendable, Hashable {
        public var steps, iterations: Int?
        public var rate: Double?
        public var gain: Gain?
        public var cfgScale: Float?
        public var effort: GuidanceEffort

        public init(
            steps: Int? = nil, iterations: Int? = nil, rate: Double? = nil, gain: Gain? = nil, cfgScale: Float? = nil,
            effort: GuidanceEffort = GuidanceEffort()
        ) {
            (self.steps, self.iterations, self.rate) = (steps, iterations, rate)
            (self.gain, self.cfgScale, self.effort) = (gain, cfgScale, effort)
        }
    }

    /// One run of the model, whose first pass is the unguided picture.
    public struct Item: Sendable, Hashable {
        /// Positions in the plan's references, prompts and seeds.
        public let person, prompt, seed: Int
    }

    /// All references: the judge chooses among them.
    public let references: [EvaluationReference]
    /// How many of them, from the first, pictures are made of.
    public let people: Int
    public let prompts: PromptSet
    public let seeds: [UInt64]
    public let overrides: Overrides

    /// - Parameter people: All by default.
    /// - Throws: ``EvaluationError/mismatched(_:)`` where there is nothing to do, or a seed stands there twice.
    public init(
        references: [EvaluationReference], people: Int? = nil, prompts: PromptSet, seeds: [UInt64],
        overrides: Overrides = Overrides()
    ) throws(EvaluationError) {
        let people = people ?? references.count
        guard !references.isEmpty, (1...references.count).contains(people) else {
            throw .mismatched("\(people) people of \(references.count) references; at least one of each is needed")
        }
        guard !seeds.isEmpty, Set(seeds).count == seeds.count, seeds.count <= 1000 else {
            throw .mismatched("\(seeds.count) seeds; 1 to 1000 different ones are needed")
        }
        self.references = references
        self.people = people
        self.prompts = prompts
        self.seeds = seeds
        self.overrides = overrides
    }

    /// In the order of work: whole seeds one after the other, so that a run that is stopped has comparable parts.
    public var items: [Item] {
        seeds.indices.flatMap { seed in
            (0..<people).flatMap { person in
                prompts.prompts.indices.map { Item(person: person, prompt: $0, seed: seed) }
            }
        }
    }

    /// The request of a picture.
    public func request(_ item: Item) -> GenerationRequest {
        var request = GenerationRequest(
            references: [.init(references[item.person].picture)], prompt: prompts.prompts[item.prompt].text,
            seed: seeds[item.seed])
        request.steps = overrides.steps
        request.iterations = overrides.iterations
        request.rate = overrides.rate
        request.gain = overrides.gain
        request.cfgScale = overrides.cfgScale
        request.effort = overrides.effort
        return request
    }

    /// How many pictures to make at once.
    ///
    /// Small pictures gain little from a second core each: two of 64 pixels, 30 iterations, took 6.4 s on two cores one
    /// after the other, 3.4 s at once. Of large ones each needs gigabytes, and its operations fill all cores.
    public static func pictureCount(at settings: Settings, cores: Int) -> Int {
        settings.width * settings.height <= 256 * 256 ? cores : 1
    }
}
