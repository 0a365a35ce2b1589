import Autodiff
import Flow
import Foundation
import Tensors
import Testing

@Suite("Interruption, failure and early success")
struct InterruptionTests {
    typealias Sampler = GuidedSampler<CurvedField, SquaredDistance>

    static func sampler(
        _ kind: Schedule.Kind, iterations: Int = 4, sufficient: Float? = nil, resuming state: GuidanceState? = nil
    ) throws -> Sampler {
        try GuidedSampler(
            field: try CurvedField(DerivativeTests.rows), objective: SquaredDistance(target: DerivativeTests.target),
            schedule: try GuidanceTests.schedule(kind),
            guidance: Guidance(iterations: iterations, sufficientSimilarity: sufficient),
            noise: try Tensor(scattered(6, seed: 70), shape: DerivativeTests.shape), resuming: state)
    }

    @Test("A sampler interrupted after any pass goes on bit for bit", arguments: Schedule.Kind.allCases, 0...5)
    func resume(kind: Schedule.Kind, interruption: Int) throws {
        var whole = try Self.sampler(kind)
        let expected = try passes(&whole)
        #expect(expected.count == 5)

        var first = try Self.sampler(kind)
        var found: [GuidancePass<Int>] = []
        for _ in 0..<interruption { found.append(try #require(try first.next())) }
        let stored = try JSONEncoder().encode(first.state)
        let state = try JSONDecoder().decode(GuidanceState.self, from: stored)
        #expect(state == first.state)

        var second = try Self.sampler(kind, resuming: state)
        found = Array(found.prefix(state.completedIterations)) + (try passes(&second))
        #expect(found.count == expected.count)
        for (a, b) in zip(found, expected) {
            #expect(a.iteration == b.iteration && a.isLast == b.isLast && a.loss == b.loss && a.details == b.details)
            #expect(a.states.map(\.elements) == b.states.map(\.elements))
            #expect(a.velocities.map(\.elements) == b.velocities.map(\.elements))
            #expect(a.gradients.map(\.elements) == b.gradients.map(\.elements))
        }
        #expect(second.state == whole.state)
        #expect(second.losses == whole.losses && second.similarities == whole.similarities)
    }

    @Test("A state of another job is refused")
    func foreignStates() throws {
        var sampler = try Self.sampler(.rectified)
        _ = try sampler.next()
        let good = sampler.state
        var damaged: [GuidanceState] = []
        func damage(_ change: (inout GuidanceState) -> Void) {
            var state = good
            change(&state)
            damaged.append(state)
        }
        damage { $0.completedIterations = 5 }
        damage { $0.completedIterations = -1 }
        damage { $0.completedIterations = 0 }
        damage { $0.losses = [] }
        damage { $0.similarities.append(1) }
        damage { $0.offsets.removeLast() }
        damage { $0.offsets[1].append(0) }
        damage { $0.offsets[2][0] = .nan }
        damage { $0.anchors = [] }
        damage { $0.anchors[3][5] = .infinity }
        for state in damaged {
            #expect(throws: GuidanceError.self) { try Self.sampler(.rectified, resuming: state) }
        }
        #expect(throws: GuidanceError.self) { try Self.sampler(.piecewise, resuming: good) }
        _ = try Self.sampler(.rectified, resuming: good)
    }

    @Test("The first pass that is similar enough is the last")
    func sufficientSimilarity() throws {
        var whole = try Self.sampler(.piecewise)
        let expected = try passes(&whole)
        let best = try #require(
            expected.indices.dropLast().dropFirst().first { index in
                expected[..<index].allSatisfy { $0.similarity < expected[index].similarity }
            })
        var sampler = try Self.sampler(.piecewise, sufficient: expected[best].similarity)
        let found = try passes(&sampler)
        let last = try #require(found.last)
        #expect(found.count == best + 1 && last.isLast && last.gradients.isEmpty)
        #expect(last.latent.elements == expected[best].latent.elements)
        #expect(sampler.state.completedIterations == best)
        #expect(sampler.losses.count == best + 1 && sampler.state.losses.count == best)
    }

    @Test("A network's NaN is reported with iteration and step, and the pass can be tried again")
    func stateFailure() throws {
        var broken = true
        var sampler = try GuidedSampler(
            field: FunctionField { x, step in
                let last = step == 2 && broken
                return try x.scaled(by: last ? .nan : 0.5)
            },
            objective: SquaredDistance(target: [0, 0]), schedule: try GuidanceTests.schedule(.piecewise),
            guidance: Guidance(iterations: 1), noise: try Tensor([1, 2], shape: [1, 1, 1, 2]))
        let before = sampler.state
        #expect(throws: GuidanceError.notFinite(.state, iteration: 0, step: 3)) { try sampler.next() }
        #expect(sampler.state == before)
        broken = false
        #expect(try passes(&sampler).count == 2)
    }

    @Test("A loss or gradient that is not finite is reported")
    func lossFailure() throws {
        struct Root: Objective {
            let shift: Float

            func callAsFunction(_ latent: Variable, iteration: Int) throws -> Evaluation<Void> {
                Evaluation(loss: try latent.scaled(by: 1, plus: shift).activated(.sqrt).sum(), similarity: 0)
            }
        }
        // The square root of a negative number is none, and at 0 it has no slope.
        for (shift, expected) in [
            (Float(-1), GuidanceError.notFinite(.loss, iteration: 0, step: nil)),
            (0, .notFinite(.gradient, iteration: 0, step: 3)),
        ] {
            var sampler = try GuidedSampler(
                field: FunctionField { x, _ in try x.scaled(by: 0) }, objective: Root(shift: shift),
                schedule: try GuidanceTests.schedule(.piecewise), guidance: Guidance(iterations: 1),
                noise: try Tensor(repeating: 0, shape: [1, 1, 1, 2]))
            #expect(throws: expected) { try sampler.next() }
        }
    }

    @Test("Errors of the network pass through as they are")
    func foreignErrors() throws {
        struct Stop: Error, Equatable {}
        var sampler = try GuidedSampler(
            field: FunctionField { _, _ in throw Stop() }, objective: SquaredDistance(target: [0]),
            schedule: try GuidanceTests.schedule(.rectified), guidance: Guidance(iterations: 1),
            noise: try Tensor([1], shape: [1, 1, 1, 1]))
        #expect(throws: Stop()) { try sampler.next() }
    }

    @Test("Impossible settings and outputs are refused")
    func refusals() throws {
        func sampler(_ guidance: Guidance, noise: Shape = [1, 1, 1, 2]) throws -> GuidedSampler<
            FunctionField, SquaredDistance
        > {
            try GuidedSampler(
                field: FunctionField { x, _ in try x.reshaped([2]) }, objective: SquaredDistance(target: [0, 0]),
                schedule: try GuidanceTests.schedule(.piecewise), guidance: guidance,
                noise: try Tensor(repeating: 1, shape: noise))
        }
        #expect(throws: GuidanceError.self) { try sampler(Guidance(iterations: -1)) }
        #expect(throws: GuidanceError.self) { try sampler(Guidance(iterations: 1, rate: .nan)) }
        #expect(throws: GuidanceError.self) { try sampler(Guidance(iterations: 1), noise: [1, 0, 1, 2]) }
        #expect(throws: ScheduleError.self) { try sampler(Guidance(iterations: 1, gain: .perStep([1]))) }
        var misshapen = try sampler(Guidance(iterations: 1))
        #expect(throws: GuidanceError.outputShape([2], latent: [1, 1, 1, 2], step: 0)) { try misshapen.next() }
    }
}
