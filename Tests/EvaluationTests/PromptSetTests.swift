import DemoModel
import Foundation
import Testing

@testable import Evaluation

/// Files of prompts and vocabularies, right and wrong.
@Suite struct PromptSetTests {
    private func file(_ text: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).json").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func prompts(_ text: String) throws -> PromptSet {
        let path = try file(text)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try PromptSet(file: path)
    }

    @Test func promptsComeWithWhatTheyAskForAndGoals() throws {
        let set = try prompts(
            """
            {"prompts": [{"prompt": "p", "scene": "beach", "style": "plain", "hat": null}, {"prompt": "q"}],
             "goals": {"guided.judge.mean": {"atLeast": 0.6}, "guided.gap.worst": {"atMost": 0.5}}, "about": "text"}
            """)
        #expect(set.prompts == [.init("p", asked: ["scene": "beach", "style": "plain"]), .init("q")])
        #expect(set.attributes == ["scene", "style"])
        #expect(set.goals.map(\.figure) == ["guided.gap.worst", "guided.judge.mean"])
        try EvaluationReport.check(set)
    }

    @Test(arguments: [
        ("{}", "prompts"), (#"{"prompts": []}"#, "0 prompts"), (#"{"prompts": [{"scene": "beach"}]}"#, "prompt"),
        (#"{"prompts": [{"prompt": ""}]}"#, "0 bytes"), (#"{"prompts": [{"prompt": "p", "hat": 3}]}"#, "hat"),
        (#"{"prompts": [{"prompt": "p"}, {"prompt": "p"}]}"#, "twice"),
        (#"{"prompts": [{"prompt": "p"}], "goals": {"guided.judge.mean": {}}}"#, "guided.judge.mean"),
        ("[", "JSON"),
    ])
    func filesThatSaySomethingElseAreRefused(text: String, named: String) throws {
        let error = try #require(throws: EvaluationError.self) { try prompts(text) }
        guard case .mismatched = error else { return #expect(Bool(false), "\(error)") }
        #expect(error.description.contains(named), "\(error)")
    }

    @Test func anAbsentFileIsNamed() {
        let error = #expect(throws: EvaluationError.self) { try PromptSet(file: "/nowhere/evaluation.json") }
        guard case .unreadable(let text) = error else { return #expect(Bool(false), "\(String(describing: error))") }
        #expect(text.contains("/nowhere/evaluation.json"))
    }

    @Test(arguments: ["guided.sceen.mean", "judge.mean", "guided.judge", "guided.asked.hat.mean"])
    func goalsForFiguresThatNoReportHasAreRefused(figure: String) throws {
        let set = PromptSet([.init("p", asked: ["scene": "beach"])], goals: [Goal(figure, .init(atLeast: 0))])
        let error = #expect(throws: EvaluationError.self) { try EvaluationReport.check(set) }
        #expect(error?.description.contains("guided.asked.scene") == true, "\(String(describing: error))")
    }

    @Test func goalsAreHeldAgainstMeanAndWorst() {
        let figures = ["guided.judge": Statistic(mean: 0.7, worst: 0.3, seeds: [0.7])]
        func isMet(_ figure: String, _ bounds: Goal.Bounds) -> Bool { Goal(figure, bounds).result(in: figures).isMet }
        #expect(isMet("guided.judge.mean", .init(atLeast: 0.7)))
        #expect(!isMet("guided.judge.worst", .init(atLeast: 0.4)))
        #expect(!isMet("guided.judge.mean", .init(atLeast: 0.1, atMost: 0.6)))
        #expect(!isMet("guided.gap.mean", .init(atMost: 1)), "not measured")
    }

    @Test func valuesThatCannotBeReadAreRefused() throws {
        let vocabulary = SceneReader.Vocabulary(
            attributes: ["scene", "hat"], values: ["scene": ["beach", "snow"], "hat": ["none"]])
        let known = PromptSet([.init("p", asked: ["scene": "snow", "style": "plain"])])
        #expect(try vocabulary.check(known) == ["scene"])
        let unknown = PromptSet([.init("p", asked: ["scene": "desert"])])
        let error = #expect(throws: EvaluationError.self) { try vocabulary.check(unknown) }
        #expect(error?.description.contains(#""desert" is none of beach, snow"#) == true)
    }

    @Test func aVocabularyNamesTheValuesOfEveryOutput() {
        for text in [#"{"scene": ["beach"]}"#, #"{"outputs": ["scene"]}"#, #"{"outputs": ["a", "a"], "a": ["x"]}"#] {
            #expect(throws: DecodingError.self, "\(text)") {
                try JSONDecoder().decode(SceneReader.Vocabulary.self, from: Data(text.utf8))
            }
        }
    }

    @Test func aClassifierOfOtherOutputsIsRefused() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.copyItem(
            at: URL(fileURLWithPath: try DemoModel.judges() + "/scene.onnx"),
            to: folder.appendingPathComponent("scene.onnx"))
        for text in [
            #"{"outputs": ["scene"], "scene": ["beach"]}"#,
            #"{"outputs": ["scene", "hat", "expression", "style"], "scene": ["a"], "hat": ["b"], "expression": ["c"], "style": ["d"]}"#,
        ] {
            try Data(text.utf8).write(to: folder.appendingPathComponent("scene.json"))
            let error = #expect(throws: EvaluationError.self) { try SceneReader(folder: folder.path) }
            #expect(error?.description.contains("scene.onnx") == true, "\(String(describing: error))")
        }
    }

    @Test func theDemoModelsPromptsFitItsClassifier() throws {
        let set = try PromptSet(file: try DemoModel.judges() + "/evaluation.json")
        let scenes = try SceneReader(folder: try DemoModel.judges())
        #expect(try scenes.vocabulary.check(set).isEmpty == false)
        try EvaluationReport.check(set)
    }
}
