import DemoModel
import Flow
import Foundation
import Generation
import Raster
import Tensors
import Testing

/// Cheaper guidance of the embedded model: that it is cheaper, and by how much.
@Suite struct EffortTests {
    private func request(_ effort: GuidanceEffort = GuidanceEffort(), iterations: Int = 1) throws -> GenerationRequest {
        var request = try DemoModelTests.request(iterations: iterations)
        request.effort = effort
        return request
    }

    /// Multiplications and additions of a job's first pass.
    private func operations(
        _ effort: GuidanceEffort, cfg: Float = 1, steps: Int = 4, iterations: Int = 1
    ) throws -> Double {
        var request = try request(effort, iterations: iterations)
        (request.cfgScale, request.gain, request.steps) = (cfg, .uniform(1), steps)
        var run = try DemoModelTests.model.get().begin(request)
        let profile = OperationProfile()
        try CPU.$profile.withValue(profile) { _ = try run.next() }
        return profile.operations
    }

    @Test func everyStepLeftOutSavesOneBackwardPassOfTheNetwork() throws {
        let costs = try (0...4).map { try operations(.init(jacobianDepth: $0)) }
        #expect(try operations(.init()) == costs[4])
        let backward = costs[1] - costs[0]
        for depth in 1...4 {
            #expect(abs(costs[depth] - costs[0] - Double(depth) * backward) < 1e-9 * costs[4])
            // Steps beyond the gradient's reach cost what steps without their Jacobian cost.
            #expect(try operations(.init(gradientDepth: depth)) == costs[depth])
        }
        // A convolution's gradient by its input multiplies as much as the convolution, attention's more than twice as much.
        let unguided = try [4, 8].map { try operations(.init(), steps: $0, iterations: 0) }
        let forward = (unguided[1] - unguided[0]) / 4
        #expect(backward > 0.9 * forward && backward < 2.5 * forward, "\(backward) after \(forward)")
    }

    @Test func oneBranchOfTwoHalvesTheBackwardPass() throws {
        func backward(_ gradient: ClassifierFreeGuidance.Gradient) throws -> Double {
            let all = try operations(.init(cfgGradient: gradient), cfg: 2)
            return all - (try operations(.init(jacobianDepth: 0, cfgGradient: gradient), cfg: 2))
        }
        let (both, one) = (try backward(.both), try backward(.conditional))
        // What no prompt has touched yet is gone back through once in either case.
        #expect(2 * one > both && 2 * one - both < 0.1 * both, "\(one) of \(both)")
        // Without classifier-free guidance there is one branch.
        #expect(try operations(.init(cfgGradient: .conditional)) == operations(.init()))
    }

    @Test func thePaperGetsTheBitsThatItGotWithoutOptions() throws {
        let model = try DemoModelTests.model.get()
        func losses(_ effort: GuidanceEffort) throws -> [Float] {
            var run = try model.begin(try request(effort, iterations: 2))
            while try run.next() != nil {}
            return run.losses
        }
        let plain = try losses(.init())
        #expect(try losses(.init(gradientDepth: 4, jacobianDepth: 4, cfgGradient: .both)) == plain)
        #expect(try losses(.init(sufficientSimilarity: 1, plateau: Plateau(patience: 3))) == plain)
        #expect(try losses(.init(jacobianDepth: 0)) != plain)
    }

    @Test func aRunThatIsCutShortGoesOnBitForBit() throws {
        let model = try DemoModelTests.model.get()
        // Gains of this model bring a gain at nearly every pass; a tolerance ends that soon.
        let effort = GuidanceEffort(jacobianDepth: 1, plateau: Plateau(patience: 2, tolerance: 0.2))
        let request = try request(effort, iterations: 20)
        var whole = try model.begin(request)
        var expected: Picture?
        while let pass = try whole.next() { expected = pass.isLast ? try pass.picture() : nil }
        let passes = whole.similarities.count
        #expect(passes > 3 && passes < 21)
        for interruption in [1, passes - 2, passes - 1, passes] {
            let resumed = try DemoModelTests.resumed(request, after: interruption)
            #expect(
                resumed.picture == expected && resumed.run.losses == whole.losses, "after \(interruption) passes")
        }
        let metadata = PictureMetadata(of: whole, request, model: model)
        #expect(metadata["jacobian-depth"] == "1" && metadata["plateau-patience"] == "2")
        #expect(metadata["plateau-tolerance"] == "0.2" && metadata["gradient-depth"] == nil)
    }

    @Test(
        arguments: [
            ("gradient-depth", GuidanceEffort(gradientDepth: 0)), ("gradient-depth", .init(gradientDepth: 5)),
            ("jacobian-depth", .init(jacobianDepth: -1)), ("jacobian-depth", .init(jacobianDepth: 5)),
            ("jacobian-depth", .init(gradientDepth: 2, jacobianDepth: 3)),
            ("stop-at-similarity", .init(sufficientSimilarity: .nan)),
            ("stop-at-similarity", .init(sufficientSimilarity: 1.5)),
            ("plateau-patience", .init(plateau: Plateau(patience: 0))),
            ("plateau-tolerance", .init(plateau: Plateau(patience: 1, tolerance: .nan))),
            // The model moves its first offset only.
            (nil, .init(gradientDepth: 3)),
        ] as [(String?, GuidanceEffort)])
    func settingsOutOfRangeNameTheirField(field: String?, effort: GuidanceEffort) throws {
        let model = try DemoModelTests.model.get()
        let error = try #require(throws: GenerationError.self) { try model.begin(try request(effort)) }
        #expect(error.kind == .invalidRequest && error.field == field, "\(error)")
    }
}
