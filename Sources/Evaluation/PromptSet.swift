import Checkpoints

/// What to ask for, and what pictures of it should show: `evaluation.json`.
///
///     {"prompts": [{"prompt": "a person on the beach, smiling", "scene": "beach", "expression": "smiling"}],
///      "goals": {"guided.judge.mean": {"atLeast": 0.6}}}
///
/// Besides `prompt`, every entry of a prompt is an attribute with the value that was asked for. `goals` may be left out.
public struct PromptSet: Sendable, Hashable, Decodable {
    /// A prompt and what it asks for.
    public struct Prompt: Sendable, Hashable, Codable {
        public let text: String
        /// Values by attribute, `["scene": "beach"]`; empty where nothing is known.
        public let asked: [String: String]

        public init(_ text: String, asked: [String: String] = [:]) {
            self.text = text
            self.asked = asked
        }
    }

    /// 1 to 256.
    public let prompts: [Prompt]
    /// What the results should come to, by the name of the figure.
    public let goals: [Goal]

    public init(_ prompts: [Prompt], goals: [Goal] = []) {
        self.prompts = prompts
        self.goals = goals
    }

    /// Reads a file.
    ///
    /// - Throws: ``EvaluationError`` where it is absent or says something else.
    public init(file path: String) throws(EvaluationError) {
        self = try evaluating { try JSONFile.decode(PromptSet.self, at: path) }
    }

    enum CodingKeys: CodingKey { case prompts, goals }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        prompts = try container.decode([Prompt].self, forKey: .prompts)
        goals = try container.decodeIfPresent([String: Goal.Bounds].self, forKey: .goals).map(Goal.sorted) ?? []
        func refuse(_ problem: String) -> DecodingError {
            .dataCorrupted(.init(codingPath: container.codingPath, debugDescription: problem))
        }
        guard (1...256).contains(prompts.count) else { throw refuse("\(prompts.count) prompts; 1 to 256 are possible") }
        if let twice = Dictionary(grouping: prompts, by: \.text).first(where: { $1.count > 1 }) {
            throw refuse("the prompt \(twice.key.debugDescription) stands there twice")
        }
        if let goal = goals.first(where: { !$0.isPossible }) {
            throw refuse("goal \(goal.figure): give atLeast or atMost, and finite numbers")
        }
    }

    /// Every attribute that a prompt asks for, sorted.
    public var attributes: [String] { Set(prompts.flatMap(\.asked.keys)).sorted() }
}

extension PromptSet.Prompt {
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        var asked: [String: String] = [:]
        for key in container.allKeys where key.stringValue != "prompt" {
            asked[key.stringValue] = try container.decodeIfPresent(String.self, forKey: key)
        }
        self.init(try container.decode(String.self, forKey: Key(stringValue: "prompt")), asked: asked)
        guard !text.isEmpty, text.utf8.count <= 10_000 else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: container.codingPath, debugDescription: "a prompt of \(text.utf8.count) bytes"))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(text, forKey: Key(stringValue: "prompt"))
        for (name, value) in asked { try container.encode(value, forKey: Key(stringValue: name)) }
    }
}
