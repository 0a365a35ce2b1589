import ArgumentParser
import Flow
import Generation

/// Cheaper guidance, and an early end of it: the options that `generate`, `submit` and `evaluate` share.
struct EffortOptions: ParsableArguments {
    @Option(
        help: """
            Send gradients back through the last N steps only; the offsets of earlier steps stay 0. All steps by default. \
            [RECTIFID_GRADIENT_DEPTH]
            """)
    var gradientDepth: Int?

    @Option(
        help: """
            Send gradients through the network in the last N of these steps only, and hand them on as they are in the \
            others; 0 for no network at all. All of them by default. [RECTIFID_JACOBIAN_DEPTH]
            """)
    var jacobianDepth: Int?

    @Option(
        help: """
            Which branches of classifier-free guidance gradients go through where --cfg is above 1: both (default) or \
            conditional. [RECTIFID_CFG_GRADIENT]
            """)
    var cfgGradient: ClassifierFreeGuidance.Gradient?

    @Option(help: "Stop at the first pass with this similarity, above 0, up to 1. [RECTIFID_STOP_AT_SIMILARITY]")
    var stopAtSimilarity: Float?

    @Option(
        help: """
            Stop after N passes in a row that did not exceed the best similarity before them, 1 to 1000. \
            [RECTIFID_PLATEAU_PATIENCE]
            """)
    var plateauPatience: Int?

    @Option(
        help: """
            By how much they have to exceed it, 0 to 1; 0 by default, with --plateau-patience only. \
            [RECTIFID_PLATEAU_TOLERANCE]
            """)
    var plateauTolerance: Float?

    mutating func validate() throws {
        gradientDepth = try EnvironmentValue.value(gradientDepth, "gradient-depth")
        jacobianDepth = try EnvironmentValue.value(jacobianDepth, "jacobian-depth")
        cfgGradient = try EnvironmentValue.value(cfgGradient, "cfg-gradient")
        stopAtSimilarity = try EnvironmentValue.value(stopAtSimilarity, "stop-at-similarity")
        plateauPatience = try EnvironmentValue.value(plateauPatience, "plateau-patience")
        plateauTolerance = try EnvironmentValue.value(plateauTolerance, "plateau-tolerance")
        try checkDepths()
        if let similarity = stopAtSimilarity, !(similarity > 0 && similarity <= 1) {
            throw ValidationError("--stop-at-similarity \(similarity); above 0 and up to 1 are possible")
        }
        if let patience = plateauPatience, !(1...1000).contains(patience) {
            throw ValidationError("--plateau-patience \(patience); 1 to 1000 are possible")
        }
        if let tolerance = plateauTolerance {
            guard (0...1).contains(tolerance) else {
                throw ValidationError("--plateau-tolerance \(tolerance); 0 to 1 are possible")
            }
            guard plateauPatience != nil else {
                throw ValidationError("--plateau-tolerance needs --plateau-patience: how many passes to wait for more")
            }
        }
    }

    /// Against each other: the number of steps is the model's to say, whatever `--steps` asks for.
    private func checkDepths() throws {
        if let depth = gradientDepth, depth < 1 || depth > 100 {
            throw ValidationError("--gradient-depth \(depth); 1 to the number of steps is possible")
        }
        if let depth = jacobianDepth, depth < 0 || depth > gradientDepth ?? 100 {
            throw ValidationError("--jacobian-depth \(depth); 0 to the gradient depth is possible")
        }
    }

    var value: GuidanceEffort {
        GuidanceEffort(
            gradientDepth: gradientDepth, jacobianDepth: jacobianDepth, cfgGradient: cfgGradient,
            sufficientSimilarity: stopAtSimilarity,
            plateau: plateauPatience.map { Plateau(patience: $0, tolerance: plateauTolerance ?? 0) })
    }
}
