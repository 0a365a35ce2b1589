import Autodiff
import Flow
import Tensors
import Testing

@Suite("Gradients of a curved flow")
struct DerivativeTests {
    static let shape: Shape = [1, 1, 2, 3]
    static let rows: [[Float]] = [[0.6, -0.4, 0.3], [0.2, 0.5, -0.7], [-0.3, 0.8, 0.4]]
    static let target = scattered(6, seed: 21)

    /// The second pass of a sampler whose offsets and noise are given.
    static func pass(
        _ schedule: Schedule, noise: [Float], offsets: [[Float]], anchors: [[Float]] = []
    ) throws -> GuidancePass<Int> {
        let state = GuidanceState(
            completedIterations: 1, offsets: offsets, anchors: anchors, losses: [0], similarities: [0])
        var sampler = try GuidedSampler(
            field: try CurvedField(rows), objective: SquaredDistance(target: target), schedule: schedule,
            guidance: Guidance(iterations: 2), noise: try Tensor(noise, shape: shape), resuming: state)
        return try #require(try sampler.next())
    }

    /// Moving x_{k+1} is moving d_k, so finite differences of the loss in every offset and in the noise are the gradients
    /// by every state.
    @Test(
        "Gradients are the finite differences of the whole piecewise sampler", arguments: Prediction.allCases, [4, 6])
    func wholeSampler(prediction: Prediction, count: Int) throws {
        let schedule = try Schedule.piecewise(steps: count, prediction: prediction)
        let noise = scattered(6, seed: 22)
        let offsets = (0..<count).map { scattered(6, seed: 30 + UInt64($0)).map { $0 / 10 } }
        let found = try Self.pass(schedule, noise: noise, offsets: offsets)
        let h: Float = 1 / 256
        for k in 0..<count {
            var differences: [Float] = []
            for element in 0..<6 {
                var losses: [Float] = []
                for sign in [h, -h] {
                    var (noise, offsets) = (noise, offsets)
                    if k == 0 { noise[element] += sign } else { offsets[k - 1][element] += sign }
                    losses.append(try Self.pass(schedule, noise: noise, offsets: offsets).loss)
                }
                differences.append((losses[0] - losses[1]) / (2 * h))
            }
            #expect(distance(differences, found.gradients[k].elements) < 3e-3)
        }
    }

    /// The anchors give the values, this pass' steps the derivatives: g_k = J_k^T g_{k+1} with J_k at this pass' x_k.
    @Test("Gradients of a rectified flow pass through the steps although the values come from the anchors")
    func straightThrough() throws {
        let schedule = try Schedule.rectified(steps: 3)
        let noise = scattered(6, seed: 23)
        let offsets = (0..<3).map { scattered(6, seed: 40 + UInt64($0)).map { $0 / 4 } }
        let anchors = (0..<3).map { scattered(6, seed: 50 + UInt64($0)) }
        let found = try Self.pass(schedule, noise: noise, offsets: offsets, anchors: anchors)
        let field = try CurvedField(Self.rows)
        func end(_ step: Step, _ x: [Float]) throws -> [Float] {
            let x = Variable(try Tensor(x, shape: Self.shape))
            return try step.advance(x, velocity: field(x, timestep: step.timestep, step: step.index)).tensor.elements
        }
        let direction = scattered(6, seed: 60)
        let h: Float = 1 / 64
        for step in schedule.steps {
            let k = step.index
            let x = k == 0 ? noise : found.states[k - 1].elements
            #expect(close(found.states[k].elements, zip(anchors[k], offsets[k]).map { $0 + $1 }, 0))
            let after =
                k == 2 ? zip(found.latent.elements, Self.target).map { $0 - $1 } : found.gradients[k + 1].elements
            let forward = try end(step, zip(x, direction).map { $0 + h * $1 })
            let back = try end(step, zip(x, direction).map { $0 - h * $1 })
            let expected = zip(after, zip(forward, back)).reduce(0) { $0 + $1.0 * ($1.1.0 - $1.1.1) / (2 * h) }
            let actual = zip(found.gradients[k].elements, direction).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(actual - expected) < 1e-3)
        }
    }

    @Test("Recomputed steps give the same bits, for twice the evaluations", arguments: Schedule.Kind.allCases)
    func recomputation(kind: Schedule.Kind) throws {
        let schedule = try GuidanceTests.schedule(kind)
        let noise = try Tensor(scattered(6, seed: 24), shape: Self.shape)
        let field = try CurvedField(Self.rows)
        var calls = [0, 0]
        var found: [[GuidancePass<Int>]] = []
        for (index, recomputes) in [false, true].enumerated() {
            var sampler = try GuidedSampler(
                field: FunctionField { x, step in
                    calls[index] += 1
                    return try field(x, timestep: schedule.steps[step].timestep, step: step)
                },
                objective: SquaredDistance(target: Self.target), schedule: schedule,
                guidance: Guidance(iterations: 2, recompute: recomputes ? .steps : .none), noise: noise)
            found.append(try passes(&sampler))
        }
        #expect(calls == [12, 20])
        for (kept, recomputed) in zip(found[0], found[1]) {
            #expect(kept.states.map(\.elements) == recomputed.states.map(\.elements))
            #expect(kept.gradients.map(\.elements) == recomputed.gradients.map(\.elements))
            #expect(kept.loss == recomputed.loss)
        }
    }
}
