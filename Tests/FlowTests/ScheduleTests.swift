import Autodiff
import Flow
import Tensors
import Testing

@Suite("Schedules and gains")
struct ScheduleTests {
    @Test(
        "Steps spread over the windows, the first windows getting one more",
        arguments: [
            (1, [1000, 750, 500, 250]), (4, [1000, 750, 500, 250]), (5, [1000, 875, 750, 500, 250]),
            (6, [1000, 875, 750, 625, 500, 250]), (8, [1000, 875, 750, 625, 500, 375, 250, 125]),
            (9, [1000, 916, 833, 750, 625, 500, 375, 250, 125]),
            (10, [1000, 916, 833, 750, 666, 583, 500, 375, 250, 125]),
        ] as [(Int, [Float])])
    func timesteps(count: Int, expected: [Float]) throws {
        for prediction in Prediction.allCases {
            let schedule = try Schedule.piecewise(steps: count, prediction: prediction)
            #expect(schedule.steps.map(\.timestep) == expected)
            #expect(schedule.steps.map(\.index) == Array(0..<expected.count))
        }
    }

    @Test("Steps join end to end from noise to data and stay within their windows", arguments: 1...100)
    func continuity(count: Int) throws {
        let schedule = try Schedule.piecewise(steps: count, prediction: .diffEps)
        var time = 1.0
        for step in schedule.steps {
            let window = try #require(step.window)
            #expect(step.time == time)
            #expect(step.nextTime < step.time)
            #expect(step.time <= window.start && step.time > window.end)
            #expect(step.nextTime >= window.end - 1e-3)
            time = step.nextTime
        }
        #expect(time == 0)
        #expect(schedule.steps.count == max(4, count))
    }

    @Test("Cumulative alphas are PyTorch's float32 numbers")
    func alphas() {
        // a = torch.cumprod(1 - torch.linspace(.00085**.5, .012**.5, 1000)**2, 0); [float(a[i]) for i in ...]
        let alphas = NoiseSchedule.stableDiffusion.cumulativeAlphas
        let published = [
            0: 0.9991499781608582, 249: 0.6754320859909058, 499: 0.27766942977905273, 749: 0.05662344768643379,
            999: 0.00466009508818388,
        ]
        #expect(alphas.count == 1000)
        for (index, alpha) in published { #expect(abs(alphas[index] / alpha - 1) < 3e-7) }
    }

    /// gamma, lambda, eta and both gains of each window, to six digits.
    @Test("Windows have the published coefficients")
    func windows() throws {
        let gamma = [0.286879, 0.451579, 0.641170, 0.822196]
        let lambda = [3.485786, 2.214450, 1.559649, 1.216254]
        let diffEta = [-3.339267, -1.975801, -1.196872, -0.692296]
        let ddimEta = [-2.506379, -1.300941, -0.755837, -0.663755]
        for (prediction, eta) in [(Prediction.diffEps, diffEta), (.ddimEps, ddimEta)] {
            let windows = try Schedule.piecewise(steps: 4, prediction: prediction).steps.map { try #require($0.window) }
            for (index, window) in windows.enumerated() {
                let line = try #require(window.line(prediction))
                #expect(abs(window.gamma - gamma[index]) < 1e-6)
                #expect(abs(line.lambda - lambda[index]) < 2e-6)
                #expect(abs(line.eta - eta[index]) < 2e-6)
            }
        }
    }

    @Test(
        "Gains are those of the step rule or of the scripts",
        arguments: [
            (Gain.derived, Prediction.diffEps, [0.957967, 0.892231, 0.767399, 0.569204]),
            (.derived, .ddimEps, [0.719028, 0.587478, 0.484620, 0.545737]),
            (.derived, .velocity, [1, 1, 1, 1]),
            (.published, .diffEps, [0.95796674, 0.95796674, 0.95796674, 0.95796674]),
            (.published, .ddimEps, [1.276306, 1.355073, 1.215180, 0.593680]), (.published, .velocity, [1, 1, 1, 1]),
            (.uniform(0.5), .diffEps, [0.5, 0.5, 0.5, 0.5]), (.perStep([1, 2, 3, 4]), .ddimEps, [1, 2, 3, 4]),
        ] as [(Gain, Prediction, [Double])])
    func gains(gain: Gain, prediction: Prediction, expected: [Double]) throws {
        let gains = try gain.resolved(for: try Schedule.piecewise(steps: 4, prediction: prediction))
        #expect(zip(gains, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test("With several steps in a window each has the window's gain")
    func gainsOfSixSteps() throws {
        let gains = try Gain.derived.resolved(for: try Schedule.piecewise(steps: 6, prediction: .diffEps))
        let expected = [0.957967, 0.957967, 0.892231, 0.892231, 0.767399, 0.569204]
        #expect(zip(gains, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test("A 2-rectified flow has whole gains and steps that are not cut", arguments: [Gain.derived, .published])
    func rectified(gain: Gain) throws {
        let schedule = try Schedule.rectified(steps: 3)
        #expect(close(schedule.steps.map(\.timestep), [1000, 666.6667, 333.33334], 1e-4))
        #expect(schedule.steps.allSatisfy { $0.duration == 1.0 / 3 && $0.window == nil })
        #expect(try gain.resolved(for: schedule) == [1, 1, 1])
    }

    @Test("Steps, weights and gains are those of an independent statement in PyTorch")
    func recordedSchedules() throws {
        let all = try RecordedSchedule.all()
        #expect(all.count >= 10)
        for recorded in all {
            let prediction = recorded.prediction.flatMap { Prediction(rawValue: $0) }
            let schedule: Schedule =
                recorded.flow == "rectified"
                ? try .rectified(steps: recorded.steps)
                : try .piecewise(steps: recorded.steps, prediction: try #require(prediction))
            func agree(_ found: [Double], _ expected: [Double]?) -> Bool {
                guard let expected else { return true }
                return found.count == expected.count
                    && zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }
            }
            #expect(close(schedule.steps.map(\.timestep), recorded.timesteps, 1e-4))
            #expect(agree(schedule.steps.map(\.nextTime), recorded.next))
            #expect(agree(schedule.steps.map(\.stateWeight), recorded.state_factor))
            #expect(agree(schedule.steps.map(\.outputWeight), recorded.output_factor))
            #expect(agree(try Gain.derived.resolved(for: schedule), recorded.derived))
            #expect(agree(try Gain.published.resolved(for: schedule), recorded.published))
        }
    }

    /// x_end, u and y as PeRFlow's scheduler states them, without the algebra that `Step` has behind it.
    @Test("A step is the scheduler's x_end, velocity and Euler step", arguments: [4, 5, 6, 8, 10], Prediction.allCases)
    func stepRule(count: Int, prediction: Prediction) throws {
        let (x, output) = (0.7, -1.3)
        for step in try Schedule.piecewise(steps: count, prediction: prediction).steps {
            let window = try #require(step.window)
            var (end, velocity) = (0.0, output)
            if let (lambda, eta) = window.line(prediction) {
                let divisor = lambda * (step.time - window.start) + (window.end - step.time)
                end = lambda * (window.end - window.start) / divisor * x
                end += eta * (window.end - step.time) / divisor * output
                velocity = (end - x) / (window.end - step.time)
            } else {
                end = x + (window.end - step.time) * output
            }
            let y = x + (step.nextTime - step.time) * velocity

            let state = Variable(try Tensor([Float(x)], shape: [1]))
            let u = try step.velocity(at: state, output: Variable(try Tensor([Float(output)], shape: [1])))
            #expect(abs(Double(try u.tensor.number()) - velocity) < 2e-6 * max(1, abs(velocity)))
            #expect(abs(Double(try step.end(of: state, velocity: u).tensor.number()) - end) < 1e-6 * max(1, abs(end)))
            #expect(abs(Double(try step.advance(state, velocity: u).tensor.number()) - y) < 1e-6 * max(1, abs(y)))
            let line = step.transition
            #expect(abs(line.state * x + line.output * output - y) < 1e-12 * max(1, abs(y)))
        }
    }

    @Test("The only step of a window goes to the window's end: x_end = lambda x + eta output")
    func wholeWindows() throws {
        for prediction in [Prediction.diffEps, .ddimEps] {
            for step in try Schedule.piecewise(steps: 4, prediction: prediction).steps {
                let line = try #require(step.window?.line(prediction))
                #expect(abs(step.transition.state - line.lambda) < 1e-12)
                #expect(abs(step.transition.output - line.eta) < 1e-12)
            }
        }
    }

    @Test("Impossible schedules and gains are refused")
    func refusals() throws {
        #expect(throws: ScheduleError.self) { try Schedule.piecewise(steps: 0, prediction: .velocity) }
        #expect(throws: ScheduleError.self) { try Schedule.piecewise(steps: .max, prediction: .velocity) }
        #expect(throws: ScheduleError.self) { try Schedule.piecewise(steps: 4, windows: 0, prediction: .diffEps) }
        #expect(throws: ScheduleError.self) { try Schedule.piecewise(steps: 4, windows: .max, prediction: .diffEps) }
        #expect(throws: ScheduleError.self) { try Schedule.rectified(steps: -3) }
        #expect(throws: ScheduleError.self) { try Schedule.rectified(steps: .max) }
        #expect(throws: ScheduleError.self) { try NoiseSchedule(trainingSteps: 1, betaStart: 0.1, betaEnd: 0.2) }
        #expect(throws: ScheduleError.self) { try NoiseSchedule(trainingSteps: 9, betaStart: .nan, betaEnd: 0.2) }
        let schedule = try Schedule.piecewise(steps: 4, prediction: .velocity)
        #expect(throws: ScheduleError.gainCount(3, steps: 4)) { try Gain.perStep([1, 2, 3]).resolved(for: schedule) }
        #expect(throws: ScheduleError.gain(.infinity)) { try Gain.uniform(.infinity).resolved(for: schedule) }
    }

    @Test("Gains are read as they are written")
    func gainText() {
        for gain in [Gain.derived, .published, .uniform(0.9), .perStep([0.96, 0.89, -0.77, 1e-3])] {
            #expect(Gain(gain.description) == gain)
        }
        for text in ["", "x", "1,", ",1", "nan", "1,inf", "derived,1"] { #expect(Gain(text) == nil) }
    }
}
