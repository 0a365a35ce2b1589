import Autodiff
import Flow
import Tensors
import Testing

/// Every pass of a sampler.
func passes<Field, Goal>(
    _ sampler: inout GuidedSampler<Field, Goal>
) throws -> [GuidancePass<Goal.Details>] {
    var passes: [GuidancePass<Goal.Details>] = []
    while let pass = try sampler.next() { passes.append(pass) }
    return passes
}

@Suite("Anchored guidance on fields whose answers are known")
struct GuidanceTests {
    static let shape: Shape = [1, 2, 2, 2]

    static func schedule(_ kind: Schedule.Kind, steps: Int = 4) throws -> Schedule {
        switch kind {
        case .piecewise: try .piecewise(steps: steps, prediction: .velocity)
        case .rectified: try .rectified(steps: steps)
        }
    }

    @Test("A constant field moves the noise by exactly its velocity", arguments: Schedule.Kind.allCases)
    func constantField(kind: Schedule.Kind) throws {
        let noise = scattered(8, seed: 1)
        var sampler = try GuidedSampler(
            field: FunctionField { x, _ in try x.scaled(by: 0, plus: 0.5) }, objective: SquaredDistance(target: noise),
            schedule: try Self.schedule(kind), guidance: Guidance(iterations: 0),
            noise: try Tensor(noise, shape: Self.shape))
        let pass = try #require(try sampler.next())
        let direction: Float = kind == .piecewise ? -1 : 1
        for (k, state) in pass.states.enumerated() {
            #expect(close(state.elements, noise.map { $0 + direction * 0.125 * Float(k + 1) }, 1e-6))
        }
        #expect(pass.velocities.allSatisfy { $0.elements == [Float](repeating: 0.5, count: 8) })
        // Eight numbers, each 0.5 away from its target.
        #expect(abs(pass.loss - 1) < 1e-6)
        #expect(pass.isLast && pass.gradients.isEmpty && pass.details == 0)
        #expect(try sampler.next() == nil)
    }

    @Test("Offsets add up along a piecewise flow and stand alone on the anchors of a rectified one")
    func offsetsOfAConstantField() throws {
        let noise = [Float](repeating: 0, count: 8)
        let target = [Float](repeating: -1, count: 8)
        for kind in Schedule.Kind.allCases {
            var sampler = try GuidedSampler(
                field: FunctionField { x, _ in try x.scaled(by: 0) }, objective: SquaredDistance(target: target),
                schedule: try Self.schedule(kind),
                guidance: Guidance(iterations: 1, rate: 0.5, gain: .perStep([1, 2, 3, 4])),
                noise: try Tensor(noise, shape: Self.shape))
            let found = try passes(&sampler)
            // g_k = 0 - target = 1 eight times, of norm sqrt(8), shortened to 1.
            let unit = -0.5 / Float(8).squareRoot()
            let offsets = (1...4).map { unit * Float($0) }
            for k in 0..<4 {
                #expect(close(found[0].gradients[k].elements, [Float](repeating: 1, count: 8), 1e-6))
                #expect(abs(found[0].gradientNorms[k] - 8.0.squareRoot()) < 1e-6)
                #expect(close(sampler.state.offsets[k], [Float](repeating: offsets[k], count: 8), 1e-6))
                let expected = kind == .piecewise ? offsets[...k].reduce(0, +) : offsets[k]
                #expect(close(found[1].states[k].elements, [Float](repeating: expected, count: 8), 1e-6))
            }
        }
    }

    @Test(
        "States, gradients and offsets follow the closed form of a linear flow", arguments: Schedule.Kind.allCases,
        [4, 6])
    func linearFlow(kind: Schedule.Kind, count: Int) throws {
        let slopes = scattered(count, seed: 3)
        let shifts = scattered(count, seed: 4)
        let noise = scattered(8, seed: 5)
        let target = scattered(8, seed: 6)
        let gains = (0..<count).map { 1 - 0.125 * Double($0) }
        let schedule = try Self.schedule(kind, steps: count)
        var sampler = try GuidedSampler(
            field: AffineField(slopes: slopes, shifts: shifts), objective: SquaredDistance(target: target),
            schedule: schedule, guidance: Guidance(iterations: 3, rate: 0.75, gain: .perStep(gains)),
            noise: try Tensor(noise, shape: Self.shape))
        let found = try passes(&sampler)

        // y_k = m_k x_k + c_k, and g_k = m_k m_{k+1} ... m_{N-1} (x_N - target).
        let m = schedule.steps.map { 1 + $0.duration * Double(slopes[$0.index]) }
        let c = schedule.steps.map { $0.duration * Double(shifts[$0.index]) }
        var offsets = [[Double]](repeating: [Double](repeating: 0, count: 8), count: count)
        var anchors: [[Double]] = []
        for iteration in 0...3 {
            var x = noise.map { Double($0) }
            var path: [[Double]] = []
            for k in 0..<count {
                let y = x.map { m[k] * $0 + c[k] }
                x = zip(anchors.isEmpty ? y : anchors[k], offsets[k]).map { $0 + $1 }
                path.append(x)
                #expect(distance(found[iteration].states[k].elements, x.map { Float($0) }) < 2e-6)
            }
            if kind == .rectified, anchors.isEmpty { anchors = path }
            var gradient = zip(x, target).map { $0 - Double($1) }
            #expect(abs(Double(found[iteration].loss) - gradient.reduce(0) { $0 + $1 * $1 } / 2) < 1e-5)
            guard iteration < 3 else { continue }
            for k in (0..<count).reversed() {
                gradient = gradient.map { m[k] * $0 }
                #expect(distance(found[iteration].gradients[k].elements, gradient.map { Float($0) }) < 2e-6)
                let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
                offsets[k] = zip(offsets[k], gradient).map { $0 - gains[k] * 0.75 * $1 / max(1, norm) }
            }
        }
        for k in 0..<count { #expect(distance(sampler.state.offsets[k], offsets[k].map { Float($0) }) < 5e-6) }
        #expect(found.map(\.iteration) == [0, 1, 2, 3] && found.map(\.isLast) == [false, false, false, true])
        #expect(sampler.losses == found.map(\.loss) && sampler.similarities == found.map(\.similarity))
        #expect(sampler.isFinished && sampler.completedIterations == 3)
    }

    // Proposition 2: with s below 1 / (L1 L2) the anchored iteration converges at least linearly. The residual of the
    // linear flow z1 = M z0 under a quadratic objective (L2 = 1) is r <- (I - s M^T) r, so its rate is known.
    @Test("The anchored iteration converges linearly below the bound of proposition 2")
    func convergence() throws {
        // M = I + A = [[1, 0.2], [0.2, 0.8]]: eigenvalues 0.9 +- sqrt(0.05), Frobenius norm sqrt(1.72).
        let field = try LinearField([[0, 0.2], [0.2, -0.2]], bias: [0.1, -0.2])
        let rate = 0.9 / 1.72.squareRoot()
        var sampler = try GuidedSampler(
            field: field, objective: SquaredDistance(target: [0.3, 0.4]), schedule: try .rectified(steps: 1),
            guidance: Guidance(iterations: 40, rate: rate), noise: try Tensor([0.2, 0.1], shape: [1, 1, 1, 2]))
        let found = try passes(&sampler)
        let slowest = 1 - rate * (0.9 - 0.05.squareRoot())
        var residual = found[0].loss.squareRoot()
        for pass in found.dropFirst() {
            let next = pass.loss.squareRoot()
            #expect(next <= residual * Float(slowest) + 1e-7)
            residual = next
        }
        #expect(residual < 1e-6)
        #expect(close(found[40].latent.elements, [0.3, 0.4], 1e-6))
    }

    // x_N moves by the sum over k of m_{k+1} ... m_{N-1} d_k, so a residual shrinks by the same factor every time.
    @Test("A piecewise linear flow converges by its known factor")
    func piecewiseConvergence() throws {
        let slopes: [Float] = [0.4, -0.8, 0.4, 0.8]
        let schedule = try Self.schedule(.piecewise)
        var sampler = try GuidedSampler(
            field: AffineField(slopes: slopes, shifts: [0, 0, 0, 0]),
            objective: SquaredDistance(target: scattered(8, seed: 9).map { $0 / 8 }), schedule: schedule,
            guidance: Guidance(iterations: 12, rate: 0.125), noise: try Tensor(repeating: 0.1, shape: Self.shape))
        let found = try passes(&sampler)
        var (after, sum) = (1.0, 0.0)
        for step in schedule.steps.reversed() {
            let m = 1 + step.duration * Double(slopes[step.index])
            sum += after * after * m
            after *= m
        }
        let factor = 1 - 0.125 * sum
        for iteration in 1...12 {
            let expected = Double(found[0].loss) * (0..<iteration).reduce(1) { product, _ in product * factor * factor }
            #expect(abs(Double(found[iteration].loss) / expected - 1) < 1e-3)
        }
    }

    @Test("A short gradient is taken as it is and a long one has length one")
    func normalisation() throws {
        for (scale, expected) in [(Float(0.01), 0.01 * 8.0.squareRoot()), (100, 1)] {
            var sampler = try GuidedSampler(
                field: FunctionField { x, _ in try x.scaled(by: 0) },
                objective: SquaredDistance(target: [Float](repeating: scale, count: 8)),
                schedule: try Self.schedule(.piecewise), guidance: Guidance(iterations: 1, rate: 2),
                noise: try Tensor(repeating: 0, shape: Self.shape))
            _ = try sampler.next()
            for offset in sampler.state.offsets {
                let length = offset.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
                #expect(abs(length - 2 * expected) < 1e-6)
                #expect(offset.allSatisfy { $0 > 0 })
            }
        }
    }
}
