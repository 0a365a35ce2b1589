import Flow
import Foundation
import Generation
import Testing

@testable import Evaluation

/// What a report says, to scripts and to people.
@Suite struct ReportTests {
    private let scores = [
        Samples.score("a.jpg", seed: 1, isGuided: false, own: 0.1, judge: 0, choice: "b.jpg"),
        Samples.score("a.jpg", seed: 1, own: 0.95, judge: 0.75, kept: ["scene": true]),
        Samples.score("b.jpg", seed: 1, isGuided: false, own: 0.2, judge: 0.1, choice: "b.jpg"),
        Samples.score("b.jpg", seed: 1, own: 0.9, judge: 0.65, choice: "b.jpg", kept: ["scene": false]),
    ]

    /// Every key of a JSON value, by path; lists by their first entry.
    private func keys(_ value: Any, _ path: String = "") -> Set<String> {
        switch value {
        case let object as [String: Any]:
            object.reduce(into: []) { found, entry in
                found.insert(path + entry.key)
                found.formUnion(keys(entry.value, path + entry.key + "/"))
            }
        case let list as [Any]: list.last.map { keys($0, path) } ?? []
        default: []
        }
    }

    @Test func jsonHasTheKeysThatScriptsRelyOn() throws {
        let prompts = PromptSet(
            [.init("on the beach", asked: ["scene": "beach"])],
            goals: [Goal("guided.judge.mean", .init(atLeast: 0.5, atMost: 0.9))])
        let report = Samples.report(scores, of: try Samples.plan(prompts: prompts, seeds: [1]))
        let data = try JSONEncoder().encode(report)
        let found = keys(try JSONSerialization.jsonObject(with: data))
        let figures = ["own", "judge", "gap", "firstChoice", "face", "asked.scene", "seconds"]
        var expected: Set<String> = [
            "format", "model", "model/id", "model/hash", "settings", "people", "references", "prompts",
            "prompts/prompt", "prompts/scene", "seeds", "attributes", "figures", "byPrompt", "goals", "pictures",
            "planned", "cost", "cost/seconds", "cost/processorSeconds", "cost/peakBytes", "cost/atOnce", "cost/threads",
        ]
        for name in ["width", "height", "steps", "iterations", "rate", "gain", "cfg", "flow"] {
            expected.insert("settings/\(name)")
        }
        for name in ["figure", "atLeast", "atMost", "measured", "isMet"] { expected.insert("goals/\(name)") }
        for name in [
            "reference", "prompt", "seed", "isGuided", "own", "best", "bestIteration", "judge", "choice",
            "isFirstChoice", "hasFace", "read", "read/scene", "asAsked", "asAsked/scene", "kept", "kept/scene",
            "iterations", "operations", "seconds",
        ] { expected.insert("pictures/\(name)") }
        let all =
            figures.flatMap { ["figures/unguided.\($0)", "figures/guided.\($0)", "byPrompt/\($0)"] }
            + [
                "figures/guided.kept.scene", "byPrompt/kept.scene", "figures/guided.iterations", "byPrompt/iterations",
                "figures/guided.operations", "byPrompt/operations",
                "figures/autoencoder.psnr",
                "figures/autoencoder.judge",
            ]
        for name in all { expected.formUnion([name, name + "/mean", name + "/worst", name + "/seeds"]) }
        #expect(found == expected, "\(found.symmetricDifference(expected).sorted())")
        let copy = try JSONDecoder().decode(EvaluationReport.self, from: data)
        #expect(copy.figures == report.figures && copy.pictures == report.pictures && copy.meetsGoals)
    }

    @Test func theTableShowsBothArmsPromptsAndGoals() throws {
        let prompts = PromptSet(
            [.init("on the beach", asked: ["scene": "beach", "style": "plain"]), .init("in the snow")],
            goals: [Goal("guided.judge.worst", .init(atLeast: 0.7))])
        let report = Samples.report(scores, of: try Samples.plan(prompts: prompts, seeds: [1]))
        let table = report.table
        for line in [
            "judge's cosine                0.050  0.000      -   0.700  0.650      -",
            "judge's first choice of 2     0.500  0.000      -   1.000  1.000      -",
            "scene kept                        -      -      -   0.500  0.000      -",
            "iterations made                   -      -      -    30.0   30.0      -",
            "GFLOP a picture                   -      -      -    25.0   25.0      -",
            "on the beach       0.925  0.700  1.000", "asked for but not read by a classifier: style",
            "guided.judge.worst  at least 0.7  0.650  MISSED", "autoencoder: 28.0 dB, worst 26.0",
            "4 pictures in 60 s (110 s of processor), 2 at once with 1 thread each, 200 MB at most",
            "STOPPED: 4 of 8 pictures",
        ] { #expect(table.contains(line), "\(line)\n\(table)") }
        #expect(!report.meetsGoals && !report.isComplete)
    }

    @Test func whatMakesGuidanceCheaperIsInTheReport() throws {
        let sample = Samples.report(scores, of: try Samples.plan(seeds: [1]))
        #expect(sample.settings.effort == nil)
        var settings = try Samples.model.get().defaults
        settings.effort = GuidanceEffort(jacobianDepth: 0, plateau: Plateau(patience: 5, tolerance: 0.01))
        let record = EvaluationReport.SettingsRecord(settings)
        #expect(record.effort == ["jacobian-depth": "0", "plateau-patience": "5", "plateau-tolerance": "0.01"])
        let report = EvaluationReport(
            scores, of: try Samples.plan(seeds: [1]), model: sample.model, settings: record, attributes: [],
            autoencoder: nil, cost: sample.cost)
        #expect(report.table.contains(", jacobian-depth 0, plateau-patience 5, plateau-tolerance 0.01\n"))
        #expect(
            try JSONDecoder().decode(EvaluationReport.self, from: try JSONEncoder().encode(report)).settings == record)
    }

    @Test func seedsHaveASpread() throws {
        let plan = try Samples.plan(people: ["a.jpg"])
        let pair = [1, 2].flatMap { seed in
            [false, true].map { Samples.score(seed: seed, isGuided: $0, judge: seed == 1 ? 0.5 : 0.7) }
        }
        let report = Samples.report(pair, of: plan)
        #expect(report.isComplete)
        #expect(report.table.contains("0.500 .. 0.700"), "\(report.table)")
    }

    @Test func plansRefuseWhatCannotBeDone() throws {
        let plan = try Samples.plan()
        #expect(plan.items.count == 4 && plan.items.map(\.seed) == [0, 0, 1, 1])
        #expect(throws: EvaluationError.self) { try Samples.plan(seeds: [1, 1]) }
        #expect(throws: EvaluationError.self) { try Samples.plan(seeds: []) }
        #expect(throws: EvaluationError.self) { try Samples.plan(people: []) }
        #expect(throws: EvaluationError.self) {
            try EvaluationPlan(references: plan.references, people: 3, prompts: plan.prompts, seeds: [1])
        }
    }
}
