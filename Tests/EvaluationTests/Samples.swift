import DemoModel
import Foundation
import Generation
import Raster

@testable import Evaluation

/// Made-up scores and plans, and the demo model's own.
enum Samples {
    static let model = Result { try Model(try DemoModel.directory()) }

    /// A plan of one-pixel people.
    static func plan(
        people: [String] = ["a.jpg", "b.jpg"], prompts: PromptSet? = nil, seeds: [UInt64] = [1, 2]
    ) throws -> EvaluationPlan {
        try EvaluationPlan(
            references: try people.map {
                EvaluationReference(name: $0, picture: try Picture(width: 1, height: 1, fill: (0, 0, 0)))
            },
            prompts: prompts ?? PromptSet([.init("on the beach", asked: ["scene": "beach"])]), seeds: seeds)
    }

    static func score(
        _ reference: String = "a.jpg", seed: UInt64 = 1, isGuided: Bool = true, own: Float = 0.9, judge: Float? = 0.8,
        choice: String? = "a.jpg", read: [String: String] = ["scene": "beach"], kept: [String: Bool]? = nil,
        failure: String? = nil
    ) -> PictureScore {
        PictureScore(
            reference: reference, prompt: "on the beach", seed: seed, isGuided: isGuided, own: own, best: own,
            bestIteration: 0, judge: judge, choice: choice, isFirstChoice: judge == nil ? nil : choice == reference,
            hasFace: choice != nil, read: read, asAsked: PictureScore.compare(read, with: ["scene": "beach"]),
            kept: kept, iterations: isGuided && failure == nil ? 30 : nil,
            operations: isGuided && failure == nil ? 2.5e10 : nil, seconds: 2, file: nil, failure: failure)
    }

    static func report(_ scores: [PictureScore], of plan: EvaluationPlan) -> EvaluationReport {
        EvaluationReport(
            scores, of: plan, model: .init(id: "demo", hash: "0123456789abcdef"),
            settings: .init(
                width: 64, height: 64, steps: 4, iterations: 30, rate: 0.5, gain: "1.0,0.6", cfg: 1, flow: "piecewise"),
            attributes: ["scene"],
            autoencoder: .init(
                psnr: Statistic(mean: 28, worst: 26, seeds: [28]), judge: Statistic(mean: 0.9, worst: 0.8, seeds: [0.9])
            ),
            cost: .init(seconds: 60, processorSeconds: 110, peakBytes: 200_000_000, atOnce: 2, threads: 1))
    }
}
