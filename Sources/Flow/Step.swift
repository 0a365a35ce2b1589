public import Autodiff
public import Tensors

/// One step of a schedule: from the state x at ``time`` to the state y at ``nextTime``.
///
/// Both formulas are linear in state and network output, whatever the output stands for:
/// u = ``stateWeight`` x + ``outputWeight`` output and y = x + ``duration`` u. With x_end = lambda_t x + eta_t output
/// (PeRFlow's scheduler) and u = (x_end - x) / (t_e - t), the weights come to (lambda_s - 1) / d and eta_s / d with
/// d = lambda_s (t - t_s) + (t_e - t), which, unlike u as it is defined, does not cancel where t is close to t_e.
public struct Step: Sendable, Hashable {
    /// Position in the schedule, from 0.
    public let index: Int
    /// What the network is told, 0...1000: ``time`` times the number of training steps.
    public let timestep: Float
    /// Where the step starts, 1 being noise and 0 data.
    public let time: Double
    /// Where the step ends; 0 for the last.
    public let nextTime: Double
    /// The window that the step was made for; nil for the one straight line of a 2-rectified flow.
    public let window: TimeWindow?
    /// Share of the state in the velocity.
    public let stateWeight: Double
    /// Share of the network's output in the velocity.
    public let outputWeight: Double
    /// What the velocity is multiplied by: negative in a piecewise flow, whose velocities point towards noise, positive
    /// in a 2-rectified flow, whose velocities point towards data.
    public let duration: Double

    /// A step of a piecewise flow.
    init(index: Int, timestep: Int, next: Int, trainingSteps: Int, window: TimeWindow, prediction: Prediction) {
        self.index = index
        self.timestep = Float(timestep)
        self.window = window
        time = Double(timestep) / Double(trainingSteps)
        nextTime = Double(next) / Double(trainingSteps)
        duration = Double(next - timestep) / Double(trainingSteps)
        if let (lambda, eta) = window.line(prediction) {
            let divisor = lambda * (time - window.start) + (window.end - time)
            stateWeight = (lambda - 1) / divisor
            outputWeight = eta / divisor
        } else {
            stateWeight = 0
            outputWeight = 1
        }
    }

    /// A step of a 2-rectified flow, by Euler's rule.
    init(index: Int, of count: Int, trainingSteps: Int) {
        self.index = index
        window = nil
        time = 1 - Double(index) / Double(count)
        nextTime = 1 - Double(index + 1) / Double(count)
        timestep = Float(time * Double(trainingSteps))
        stateWeight = 0
        outputWeight = 1
        duration = 1 / Double(count)
    }

    /// y = state x + output * network output: the step as one line, and its Jacobian by state and by output.
    public var transition: (state: Double, output: Double) {
        (1 + duration * stateWeight, duration * outputWeight)
    }

    /// The velocity u at a state.
    ///
    /// - Parameters:
    ///   - x: The state, any shape.
    ///   - output: What the network (after classifier-free guidance) returned for it, same shape.
    /// - Throws: `TensorError` where the shapes do not fit or memory runs out.
    public func velocity(at x: Variable, output: Variable) throws(TensorError) -> Variable {
        if stateWeight == 0, outputWeight == 1 { return output }
        return try x.scaled(by: Float(stateWeight)).adding(output.scaled(by: Float(outputWeight)))
    }

    /// The state y after the step.
    ///
    /// - Throws: `TensorError` where the shapes do not fit or memory runs out.
    public func advance(_ x: Variable, velocity: Variable) throws(TensorError) -> Variable {
        try x.adding(velocity.scaled(by: Float(duration)))
    }

    /// x_end: where the step's straight line leaves its window, or the data end of a 2-rectified flow.
    ///
    /// - Throws: `TensorError` where the shapes do not fit or memory runs out.
    public func end(of x: Variable, velocity: Variable) throws(TensorError) -> Variable {
        let remaining = window.map { $0.end - time } ?? time
        return try x.adding(velocity.scaled(by: Float(remaining)))
    }
}
