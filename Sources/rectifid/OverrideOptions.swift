import ArgumentParser
import Evaluation
import Flow

/// Numbers in place of the model's own.
struct OverrideOptions: ParsableArguments {
    @Option(help: "Evaluations of the flow per pass; the model's own by default.")
    var steps: Int?

    @Option(help: "Updates of the guidance; the model's own by default, 0 for unguided pictures alone.")
    var iterations: Int?

    @Option(help: "Size of an update; the model's own by default.")
    var rate: Double?

    @Option(
        help: "How much of an update becomes the offset after a step: derived, published, a number, or one per step.")
    var gain: Gain?

    @Option(name: .customLong("cfg"), help: "Scale of classifier-free guidance; up to 1 the prompt runs alone.")
    var cfgScale: Float?

    @OptionGroup var effort: EffortOptions

    var overrides: EvaluationPlan.Overrides {
        .init(
            steps: steps, iterations: iterations, rate: rate, gain: gain, cfgScale: cfgScale, effort: effort.value)
    }
}
