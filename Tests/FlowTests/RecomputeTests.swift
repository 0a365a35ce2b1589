import Autodiff
import Tensors
import Testing

@testable import Flow

/// Which steps are recorded, by the memory that there is.
struct RecomputeTests {
    @Test func plentyOfMemoryKeepsAllStepsAndNoneKeepsNone() {
        for (recompute, used, isShort) in [
            (Recompute.none, Int.max / 4, false), (.auto(memory: 1000), 500, false), (.auto(memory: 1000), 601, true),
        ] {
            let watch = MemoryWatch(recompute)
            #expect(watch.records && watch.isShort(used: used) == isShort)
        }
        #expect(!MemoryWatch(.steps).records)
    }

    @Test func whatAPassTookIsKeptFreeFromThenOn() {
        var watch = MemoryWatch(.auto(memory: 1000))
        watch.guess(kept: 200)
        #expect(!watch.isShort(used: 680) && watch.isShort(used: 681))
        watch.note(working: 500)
        #expect(!watch.isShort(used: 500) && watch.isShort(used: 501))
        watch.guess(kept: 50)
        watch.note(working: 400)
        #expect(watch.isShort(used: 501), "the most that was measured counts")
    }

    @Test func aProcessIsMoreThanItsTensors() {
        #expect(Recompute.fitting(process: 6_000_000_000) == .auto(memory: 5_700_000_000 - (1 << 28)))
        #expect(Recompute.fitting(process: 1000) == .auto(memory: 750))
    }

    /// Whatever other tensors the process holds, at 0 bytes every step is short of memory and at 2^60 none is.
    @Test(arguments: [(memory: 0, calls: 20), (memory: 1 << 60, calls: 12)])
    func theSamplerRunsAgainWhatItGaveUp(memory: Int, calls: Int) throws {
        let schedule = try GuidanceTests.schedule(.piecewise)
        let noise = try Tensor(scattered(6, seed: 24), shape: DerivativeTests.shape)
        let field = try CurvedField(DerivativeTests.rows)
        func run(_ recompute: Recompute) throws -> (states: [[Float]], calls: Int) {
            var count = 0
            var sampler = try GuidedSampler(
                field: FunctionField { x, step in
                    count += 1
                    return try field(x, timestep: schedule.steps[step].timestep, step: step)
                },
                objective: SquaredDistance(target: DerivativeTests.target), schedule: schedule,
                guidance: Guidance(iterations: 2, recompute: recompute), noise: noise)
            var states: [[Float]] = []
            while let pass = try sampler.next() {
                states += pass.states.map(\.elements) + pass.gradients.map(\.elements)
            }
            return (states, count)
        }
        let (kept, auto) = (try run(.none), try run(.auto(memory: memory)))
        #expect(auto.states == kept.states && auto.calls == calls && kept.calls == 12)
    }
}
