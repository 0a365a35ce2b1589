import Autodiff
import Flow
import Tensors
import Testing

/// One recorded run of the method on whole networks, of which the flow replays its own part.
private struct RecordedCase {
    let settings: CaseSettings
    let file: TensorFile
    let schedule: Schedule
    let gain: Gain

    init(_ name: String) throws {
        settings = try CaseSettings(name)
        file = try TensorFile("\(name)/trace.safetensors")
        schedule = try Self.schedule(settings, networkOutput: true)
        gain =
            switch settings.gain {
            case .name(let name): try #require(Gain(name))
            case .number(let number): .uniform(number)
            case .list(let numbers): .perStep(numbers)
            }
    }

    /// The schedule of the case, or the one of the same steps that takes velocities, which is what the record holds.
    static func schedule(_ settings: CaseSettings, networkOutput: Bool) throws -> Schedule {
        if settings.flow == "rectified" { return try .rectified(steps: settings.steps) }
        let predictions: [String: Prediction] = ["sd15": .diffEps, "sd21": .velocity, "sdxl": .ddimEps]
        let prediction = try #require(predictions[settings.model])
        return try .piecewise(steps: settings.steps, prediction: networkOutput ? prediction : .velocity)
    }

    func elements(_ name: String) throws -> [Float] { try #require(file.tensors[name]).elements }

    func tensor(_ name: String) throws -> Tensor {
        let entry = try #require(file.tensors[name])
        return try Tensor(entry.elements, shape: try Shape(entry.shape))
    }

    func state(_ k: Int) throws -> Tensor { try tensor(k == 0 ? "initial_noise" : "state.0.\(k)") }
}

/// output = recorded + slope (x - recorded x): at the recorded states the recorded output, with a Jacobian that turns
/// the recorded gradient by the end of each step into the one by its start.
private struct ReplayField: VelocityField {
    let states: [Tensor]
    let outputs: [Tensor]
    let slopes: [Tensor]

    func callAsFunction(_ x: Variable, timestep: Float, step: Int) throws -> Variable {
        let away = try x.subtracting(Variable(states[step])).multiplied(by: Variable(slopes[step]))
        return try Variable(outputs[step]).adding(away)
    }
}

/// sum(weights * x), whose gradient is the weights.
private struct WeightedSum: Objective {
    let weights: Tensor

    func callAsFunction(_ latent: Variable, iteration: Int) throws -> Evaluation<Void> {
        Evaluation(loss: try latent.multiplied(by: Variable(weights)).sum(), similarity: 0)
    }
}

@Suite("Recorded runs")
struct RecordedCaseTests {
    static let guided =
        ["sd15_person", "sd15_6steps_wide", "sd15_published_gain", "sd15_2rflow", "sd15_two_people"]
        .map { "parity/cases/\($0)" }
        + ["sd15_tall_5steps", "sd15_rectified_3steps", "sd15_crossed_pair"].map { "made/cases/\($0)" }
    static let all = guided + ["made/cases/sd15_narrow_8steps"]

    @Test("Time steps, gains and noise are those of the record", arguments: all)
    func inputs(name: String) throws {
        let recorded = try RecordedCase(name)
        #expect(recorded.schedule.steps.map(\.timestep) == (try recorded.elements("timesteps")))
        let gains = try recorded.gain.resolved(for: recorded.schedule).map { Float($0) }
        #expect(close(gains, try recorded.elements("gains"), 1e-6))
        var generator = TorchGenerator(seed: recorded.settings.seed)
        let noise = try recorded.elements("initial_noise")
        #expect(close(generator.normals(noise.count), noise, 1e-6))
    }

    @Test("Recorded velocities lead through the recorded states", arguments: all)
    func states(name: String) throws {
        let recorded = try RecordedCase(name)
        for step in recorded.schedule.steps {
            let x = Variable(try recorded.state(step.index))
            let velocity = Variable(try recorded.tensor("velocity.\(step.index)"))
            let y = try step.advance(x, velocity: velocity).tensor.elements
            #expect(distance(y, try recorded.elements("state.0.\(step.index + 1)")) < 1e-6)
            // The output that this velocity comes from, by the inverse of its definition, gives it back.
            let output = try velocity.subtracting(x.scaled(by: Float(step.stateWeight)))
                .scaled(by: Float(1 / step.outputWeight))
            let again = try step.velocity(at: x, output: output).tensor.elements
            #expect(distance(again, velocity.tensor.elements) < 2e-6)
        }
    }

    /// The first pass is replayed with the recorded gradients; a second one from its offsets must then reach the recorded
    /// states as far as they do not depend on the network: the first, and on anchors all of them.
    @Test("Recorded gradients give the recorded second pass", arguments: guided)
    func update(name: String) throws {
        let recorded = try RecordedCase(name)
        let schedule = try RecordedCase.schedule(recorded.settings, networkOutput: false)
        let count = schedule.steps.count
        let gradients = try (0..<count).map { try recorded.elements("gradient.0.\($0)") }
        let shape = try recorded.tensor("initial_noise").shape
        var slopes: [Tensor] = []
        for step in schedule.steps {
            let after = step.index + 1 < count ? gradients[step.index + 1] : gradients[step.index]
            let factors = zip(gradients[step.index], after).map { (Double($0) / Double($1) - 1) / step.duration }
            slopes.append(try Tensor(factors.map { Float($0) }, shape: shape))
        }
        let flat = try Tensor(repeating: 0, shape: shape)
        let outputs = try (0..<count).map { try recorded.tensor("velocity.\($0)") }
        let states = try (0..<count).map { try recorded.state($0) }
        let objective = WeightedSum(weights: try Tensor(gradients[count - 1], shape: shape))
        let guidance = Guidance(
            iterations: recorded.settings.iterations, rate: recorded.settings.rate,
            gain: .perStep(try recorded.gain.resolved(for: recorded.schedule)))

        var first = try GuidedSampler(
            field: ReplayField(states: states, outputs: outputs, slopes: slopes), objective: objective,
            schedule: schedule, guidance: guidance, noise: states[0])
        let pass = try #require(try first.next())
        for k in 0..<count { #expect(distance(pass.gradients[k].elements, gradients[k]) < 1e-4) }

        var second = try GuidedSampler(
            field: ReplayField(states: states, outputs: outputs, slopes: slopes.map { _ in flat }),
            objective: objective,
            schedule: schedule, guidance: guidance, noise: states[0], resuming: first.state)
        let found = try #require(try second.next())
        for k in 0..<(schedule.kind == .rectified ? count : 1) {
            let moved = zip(try recorded.elements("state.1.\(k + 1)"), pass.states[k].elements).map { $0 - $1 }
            #expect(distance(first.state.offsets[k], moved) < 1e-3)
            #expect(distance(found.states[k].elements, try recorded.elements("state.1.\(k + 1)")) < 2e-6)
        }
    }
}
