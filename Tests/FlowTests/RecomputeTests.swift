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

    @Test func aStepFitsBeforeItIsRecorded() {
        var watch = MemoryWatch(.auto(memory: 1000))
        watch.note(working: 100)
        watch.note(recording: 300)
        watch.note(recording: 200)
        #expect(!watch.isShort(used: 900) && !watch.isShort(used: 700, beforeStep: true))
        #expect(watch.isShort(used: 701, beforeStep: true))
        watch.note(working: 400)
        #expect(watch.isShort(used: 601, beforeStep: true))
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

    /// A step that keeps 32 MiB, all of them in segments.
    private static func segmentedStep(
        _ x: Variable, _ numbers: Tensor, _ didRun: @escaping () -> Void
    ) throws -> Variable {
        var total = try x.sum()
        for segment in 0..<4 {
            total = try total.recomputable(effort: 1 + segment / 2) { (total) throws(TensorError) in
                didRun()
                return try total.adding(Variable(numbers)).activated(.tanh).activated(.silu).mean()
            }
        }
        return try x.activated(.tanh).adding(total)
    }

    /// With half of what keeping everything takes, no step runs again whole, and tensors never take more than they may.
    @Test func partsOfStepsAreGivenUpBeforeWholeSteps() throws {
        let schedule = try GuidanceTests.schedule(.piecewise)
        let noise = try Tensor(scattered(6, seed: 25), shape: DerivativeTests.shape)
        let numbers = try Tensor(scattered(1 << 20, seed: 26), shape: [1 << 20])
        func run(_ recompute: Recompute) throws -> (states: [[Float]], steps: Int, segments: Int, peak: Int) {
            var (steps, segments) = (0, 0)
            var sampler = try GuidedSampler(
                field: FunctionField { x, _ in
                    steps += 1
                    return try Self.segmentedStep(x, numbers) { segments += 1 }
                },
                objective: SquaredDistance(target: DerivativeTests.target), schedule: schedule,
                guidance: Guidance(iterations: 2, recompute: recompute), noise: noise)
            var states: [[Float]] = []
            // The first pass knows nothing of what the objective takes.
            _ = try sampler.next()
            (steps, segments) = (0, 0)
            let before = CPU.shared.memoryInUse, peak = CPU.shared.watchMemory()
            while let pass = try sampler.next() {
                states += pass.states.map(\.elements) + pass.gradients.map(\.elements)
            }
            return (states, steps, segments, peak.bytes - before)
        }
        let kept = try run(.none)
        #expect(kept.steps == 8 && kept.segments == 32 && kept.peak > 120 << 20)
        let before = CPU.shared.memoryInUse
        let auto = try run(.auto(memory: before + kept.peak / 2))
        #expect(auto.states == kept.states)
        #expect(auto.steps == 8, "whole steps ran again")
        #expect(auto.segments > 32 && auto.segments < 48, "some of a pass's 16 segments run again")
        #expect(auto.peak <= kept.peak / 2)
    }
}
