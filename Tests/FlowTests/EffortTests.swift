import Autodiff
import Flow
import Foundation
import Tensors
import Testing

@Suite("Gradients cut short, and stopping early")
struct EffortTests {
    /// Depths of the gradient and of the Jacobians in a flow of four steps.
    static let depths = (1...4).flatMap { depth in (0...depth).map { (depth, $0) } }

    private static func guidance(
        _ depth: Int?, _ jacobians: Int?, iterations: Int = 3, recomputes: Bool = false
    ) -> Guidance {
        Guidance(
            iterations: iterations, rate: 0.75, recompute: recomputes ? .steps : .none, gradientDepth: depth,
            jacobianDepth: jacobians)
    }

    // y_k = m_k x_k + c_k, so that with K steps in reach and the Jacobians of the last J
    //   g_k = m_k ... m_{N-1} (x_N - target)                   k >= N-J
    //   g_k = g_{N-J}, or x_N - target where J is 0            N-K <= k < N-J
    //   g_k = 0, and d_k stays 0                               k < N-K
    @Test("Gradients and offsets follow the truncated chain rule", arguments: Schedule.Kind.allCases, depths)
    func truncatedChainRule(kind: Schedule.Kind, depths: (gradient: Int, jacobian: Int)) throws {
        let slopes = scattered(4, seed: 3)
        let noise = scattered(8, seed: 5), target = scattered(8, seed: 6)
        let schedule = try GuidanceTests.schedule(kind)
        var sampler = try GuidedSampler(
            field: AffineField(slopes: slopes, shifts: scattered(4, seed: 4)),
            objective: SquaredDistance(target: target), schedule: schedule,
            guidance: Self.guidance(depths.gradient, depths.jacobian),
            noise: try Tensor(noise, shape: GuidanceTests.shape))
        let m = schedule.steps.map { 1 + $0.duration * Double(slopes[$0.index]) }
        var offsets = [[Double]](repeating: [Double](repeating: 0, count: 8), count: 4)
        while let pass = try sampler.next() {
            guard !pass.isLast else { break }
            var gradient = zip(pass.latent.elements, target).map { Double($0) - Double($1) }
            for k in (0..<4).reversed() {
                if k >= 4 - depths.jacobian { gradient = gradient.map { m[k] * $0 } }
                if k < 4 - depths.gradient { gradient = gradient.map { _ in 0 } }
                #expect(close(pass.gradients[k].elements, gradient.map { Float($0) }, 2e-6))
                let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
                #expect(abs(pass.gradientNorms[k] - norm) < 1e-5)
                offsets[k] = zip(offsets[k], gradient).map { $0 - 0.75 * $1 / max(1, norm) }
            }
            for k in 0..<4 { #expect(close(sampler.state.offsets[k], offsets[k].map { Float($0) }, 5e-6)) }
        }
        for k in 0..<(4 - depths.gradient) { #expect(sampler.state.offsets[k].allSatisfy { $0 == 0 }) }
        #expect(sampler.completedIterations == 3)
    }

    @Test("A part of the gradient has the bits of the whole one", arguments: Schedule.Kind.allCases, depths)
    func bits(kind: Schedule.Kind, depths: (gradient: Int, jacobian: Int)) throws {
        func firstPass(_ guidance: Guidance) throws -> GuidancePass<Int> {
            var sampler = try GuidedSampler(
                field: try CurvedField(DerivativeTests.rows),
                objective: SquaredDistance(target: DerivativeTests.target),
                schedule: try GuidanceTests.schedule(kind), guidance: guidance,
                noise: try Tensor(scattered(6, seed: 24), shape: DerivativeTests.shape))
            return try #require(try sampler.next())
        }
        let whole = try firstPass(Guidance(iterations: 1))
        let part = try firstPass(Self.guidance(depths.gradient, depths.jacobian))
        #expect(part.states.map(\.elements) == whole.states.map(\.elements) && part.loss == whole.loss)
        for k in (4 - depths.gradient)..<4 where depths.jacobian > 0 {
            let same = max(k, 4 - depths.jacobian)
            #expect(part.gradients[k].elements == whole.gradients[same].elements)
        }
    }

    /// With velocities that do not answer to the state, the skipped gradient is the exact one.
    @Test("Skipped Jacobians give the finite differences of a flow of fixed velocities", arguments: [0, 1, 3])
    func skipping(jacobians: Int) throws {
        let schedule = try GuidanceTests.schedule(.piecewise)
        let field = try CurvedField(DerivativeTests.rows)
        let noise = scattered(6, seed: 25)
        func pass(_ noise: [Float], fixed: [Tensor]?) throws -> GuidancePass<Int> {
            var sampler = try GuidedSampler(
                field: FunctionField { x, step in
                    if let fixed, step < 4 - jacobians { return Variable(fixed[step]) }
                    return try field(x, timestep: schedule.steps[step].timestep, step: step)
                },
                objective: SquaredDistance(target: DerivativeTests.target), schedule: schedule,
                guidance: Self.guidance(nil, jacobians), noise: try Tensor(noise, shape: DerivativeTests.shape))
            return try #require(try sampler.next())
        }
        let found = try pass(noise, fixed: nil)
        let h: Float = 1 / 256
        var differences: [Float] = []
        for element in 0..<6 {
            let losses = try [h, -h].map { sign in
                var moved = noise
                moved[element] += sign
                return try pass(moved, fixed: found.velocities).loss
            }
            differences.append((losses[0] - losses[1]) / (2 * h))
        }
        #expect(distance(differences, found.gradients[0].elements) < 3e-3)
        let exact = try { () throws in
            var sampler = try GuidedSampler(
                field: field, objective: SquaredDistance(target: DerivativeTests.target), schedule: schedule,
                guidance: Guidance(iterations: 1), noise: try Tensor(noise, shape: DerivativeTests.shape))
            return try #require(try sampler.next()).gradients[0].elements
        }()
        #expect(distance(exact, found.gradients[0].elements) > 0.02)
    }

    @Test("Only steps whose Jacobian counts are recorded, and only these are recomputed", arguments: depths)
    func recordedSteps(depths: (gradient: Int, jacobian: Int)) throws {
        for recomputes in [false, true] {
            var calls: [(step: Int, isTracked: Bool)] = []
            var sampler = try GuidedSampler(
                field: FunctionField { x, step in
                    calls.append((step, x.isTracked))
                    return try x.scaled(by: 0.5)
                },
                objective: SquaredDistance(target: DerivativeTests.target),
                schedule: try GuidanceTests.schedule(.piecewise),
                guidance: Self.guidance(depths.gradient, depths.jacobian, iterations: 1, recomputes: recomputes),
                noise: try Tensor(scattered(6, seed: 24), shape: DerivativeTests.shape))
            _ = try sampler.next()
            let recorded = Array((4 - depths.jacobian)..<4)
            let expected = recomputes ? Array(0..<4) + recorded.reversed() : Array(0..<4)
            #expect(calls.map(\.step) == expected)
            #expect(calls.filter(\.isTracked).map(\.step) == (recomputes ? recorded.reversed() : recorded))
            calls = []
            _ = try sampler.next()
            #expect(calls.map(\.step) == Array(0..<4) && calls.allSatisfy { !$0.isTracked })
        }
    }

    @Test("Depths and plateaus that make no sense are refused")
    func refusals() throws {
        func sampler(_ guidance: Guidance) throws {
            _ = try GuidedSampler(
                field: FunctionField { x, _ in x }, objective: SquaredDistance(target: [0]),
                schedule: try GuidanceTests.schedule(.piecewise), guidance: guidance,
                noise: try Tensor([1], shape: [1, 1, 1, 1]))
        }
        for (depth, jacobians) in [(0, nil), (5, nil), (-1, nil), (nil, 5), (nil, -1), (2, 3)] as [(Int?, Int?)] {
            #expect(throws: GuidanceError.self) { try sampler(Self.guidance(depth, jacobians)) }
        }
        for plateau in [
            Plateau(patience: 0), Plateau(patience: 1, tolerance: -0.1), Plateau(patience: 1, tolerance: .nan),
            Plateau(patience: 1, tolerance: .infinity),
        ] {
            #expect(throws: GuidanceError.self) { try sampler(Guidance(iterations: 1, plateau: plateau)) }
        }
        // What is updated must count: this would be the unguided picture for the price of a guided one.
        let first = Gain.perStep([1, 0, 0, 0])
        #expect(throws: GuidanceError.self) { try sampler(Guidance(iterations: 1, gain: first, gradientDepth: 3)) }
        try sampler(Guidance(iterations: 0, gain: first, gradientDepth: 3))
        try sampler(Guidance(iterations: 1, gain: first, gradientDepth: 4, jacobianDepth: 0))
    }
}

@Suite("Stopping on a plateau")
struct PlateauTests {
    @Test(
        "A plateau is so many passes without a gain over the best",
        arguments: [
            ([], 1, 0, false), ([0.5], 1, 0, false), ([0.5, 0.4], 1, 0, true), ([0.5, 0.5], 1, 0, true),
            ([0.5, 0.6, 0.55, 0.58], 2, 0, true), ([0.5, 0.6, 0.55, 0.61], 2, 0, false),
            ([-0.2, -0.3, -0.4], 2, 0, true), ([0.1, 0.2, 0.3, 0.4], 2, 0.15, false),
            // Steps of half the tolerance count at every second or third pass.
            ([0.5, 0.5625, 0.625, 0.6875, 0.75], 2, 0.09375, false), ([0.5, 0.5625, 0.625, 0.6875], 1, 0.09375, true),
            ([0.5, 0.5625, 0.5625, 0.5625], 3, 0.09375, true),
        ] as [([Float], Int, Float, Bool)])
    func rule(similarities: [Float], patience: Int, tolerance: Float, isReached: Bool) {
        #expect(Plateau(patience: patience, tolerance: tolerance).isReached(by: similarities) == isReached)
    }

    /// Similarities as given, pass by pass.
    private struct Recorded: Objective {
        let similarities: [Float]

        func callAsFunction(_ latent: Variable, iteration: Int) throws -> Evaluation<Void> {
            Evaluation(loss: try latent.multiplied(by: latent).sum(), similarity: similarities[iteration])
        }
    }

    @Test("The pass that ends a plateau is the last, also of a sampler that was interrupted", arguments: 0...6)
    func stopping(interruption: Int) throws {
        let similarities: [Float] = [0, 0.3, 0.5, 0.49, 0.505, 0.5, 0.9, 0.9]
        func sampler(_ state: GuidanceState? = nil) throws -> GuidedSampler<CurvedField, Recorded> {
            try GuidedSampler(
                field: try CurvedField(DerivativeTests.rows), objective: Recorded(similarities: similarities),
                schedule: try GuidanceTests.schedule(.piecewise),
                guidance: Guidance(iterations: 7, plateau: Plateau(patience: 3, tolerance: 0.01)),
                noise: try Tensor(scattered(6, seed: 70), shape: DerivativeTests.shape), resuming: state)
        }
        var whole = try sampler()
        let expected = try passes(&whole)
        #expect(expected.count == 6 && expected[5].isLast && expected[5].gradients.isEmpty)
        #expect(whole.completedIterations == 5 && whole.similarities == Array(similarities[...5]))

        var first = try sampler()
        for _ in 0..<interruption { _ = try first.next() }
        let stored = try JSONEncoder().encode(first.state)
        var second = try sampler(try JSONDecoder().decode(GuidanceState.self, from: stored))
        let found = try passes(&second)
        #expect(found.last?.iteration == 5 && found.last?.latent.elements == expected[5].latent.elements)
        #expect(second.state == whole.state && second.similarities == whole.similarities)
    }
}
