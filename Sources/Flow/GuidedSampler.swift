import Autodiff
public import Tensors

/// Anchored classifier guidance of a rectified flow (RectifID, arXiv 2405.14677, equations 11 to 16).
///
/// A value that its caller drives, one pass per call of ``next()``: progress, cancellation, deadlines, previews and
/// interruption are the caller's loop.
///
///     var sampler = try GuidedSampler(field: network, objective: face, schedule: schedule, guidance: guidance, noise: noise)
///     while let pass = try sampler.next() { print(pass.iteration, pass.loss) }
///
/// Step k takes x_k to y_k; x_{k+1} is y_k + d_k in a piecewise flow, a_k + d_k in a 2-rectified flow, whose anchor a_k is
/// y_k of the first pass. After a pass, d_k -= c_k * rate * g_k / max(1, |g_k|) with g_k = dL/dx_k, the gradient by the
/// state where step k *starts*; ``Guidance/gradientDepth`` and ``Guidance/jacobianDepth`` make g_k cheaper and coarser.
public struct GuidedSampler<Field: VelocityField, Goal: Objective> {
    private let field: Field
    private let objective: Goal
    private let schedule: Schedule
    private let guidance: Guidance
    private let gains: [Double]
    private var memory: MemoryWatch
    /// The first step that gets a gradient, and the first whose network's Jacobian enters into it.
    private let first: (gradient: Int, jacobian: Int)
    private let noise: Tensor

    private var offsets: [Tensor]
    private var anchors: [Tensor]

    /// Number of updates made.
    public private(set) var completedIterations: Int
    /// Whether the last pass has been made.
    public private(set) var isFinished = false
    /// Loss of every pass so far, those before an interruption included.
    public private(set) var losses: [Float]
    /// Similarity of every pass so far, those before an interruption included.
    public private(set) var similarities: [Float]

    /// A sampler at its start, or where `state` says that another was interrupted.
    ///
    /// - Parameters:
    ///   - field: The network, classifier-free guidance included.
    ///   - objective: What to minimise.
    ///   - schedule: The steps.
    ///   - guidance: Number and size of updates.
    ///   - noise: x_0, [N, H, W, C], not changed by guidance.
    ///   - state: Where to go on; nil to start.
    /// - Throws: ``GuidanceError`` for a setting out of its range or a state that does not fit, ``ScheduleError`` for
    ///   gains that do not fit the steps, `TensorError` where memory runs out.
    public init(
        field: Field, objective: Goal, schedule: Schedule, guidance: Guidance, noise: Tensor,
        resuming state: GuidanceState? = nil
    ) throws {
        guard guidance.iterations >= 0, guidance.rate.isFinite else {
            throw GuidanceError.setting("\(guidance.iterations) iterations at rate \(guidance.rate)")
        }
        guard noise.shape.count > 0 else { throw GuidanceError.setting("a latent of shape \(noise.shape) is empty") }
        self.field = field
        self.objective = objective
        self.schedule = schedule
        self.guidance = guidance
        memory = MemoryWatch(guidance.recompute)
        if case .auto(let bytes) = guidance.recompute { noise.device.limitMemory(to: bytes) }
        self.noise = noise
        gains = try guidance.gain.resolved(for: schedule)
        first = try guidance.firstSteps(of: schedule.steps.count)
        guard first.gradient == 0 || guidance.iterations == 0 || gains[first.gradient...].contains(where: { $0 != 0 })
        else {
            throw GuidanceError.setting(
                "a gradient depth of \(gains.count - first.gradient) updates only offsets whose gain is 0;"
                    + " take a greater depth or another gain")
        }
        if let state {
            try state.check(iterations: guidance.iterations, schedule: schedule, latent: noise.shape)
            offsets = try state.offsets.map { try Tensor($0, shape: noise.shape) }
            anchors = try state.anchors.map { try Tensor($0, shape: noise.shape) }
        } else {
            let zero = try Tensor(repeating: 0, shape: noise.shape)
            offsets = schedule.steps.map { _ in zero }
            anchors = []
        }
        completedIterations = state?.completedIterations ?? 0
        losses = state?.losses ?? []
        similarities = state?.similarities ?? []
    }

    /// What another sampler needs to go on from here.
    ///
    /// After the last pass it is the state before that pass, so that a resumed sampler makes it again.
    public var state: GuidanceState {
        GuidanceState(
            completedIterations: completedIterations, offsets: offsets.map(\.elements),
            anchors: completedIterations > 0 ? anchors.map(\.elements) : [],
            losses: Array(losses.prefix(completedIterations)),
            similarities: Array(similarities.prefix(completedIterations)))
    }

    /// Makes one pass: through all steps to the loss, back to the gradients, and the update of the offsets.
    ///
    /// A pass that throws changes nothing, and may be tried again.
    ///
    /// - Returns: What the pass found; nil after the last.
    /// - Throws: ``GuidanceError`` where a number is not finite or the network's output has the wrong shape, `TensorError`
    ///   from the engine, and whatever the field or the objective throws.
    public mutating func next() throws -> GuidancePass<Goal.Details>? {
        guard !isFinished else { return nil }
        let iteration = completedIterations
        let isLast = iteration == guidance.iterations
        var path = try forward(iteration: iteration, tracked: !isLast && memory.records)
        let tape = isLast ? nil : Tape()
        let latent = tape?.track(path.end) ?? Variable(path.end)
        let device = noise.device, used = device.memoryInUse
        let evaluation = try objective(latent, iteration: iteration)
        let kept = device.memoryInUse - used
        if !isLast { memory.guess(kept: kept) }
        path.release(while: { memory.isShort(used: device.memoryInUse - kept) })
        let loss = try evaluation.loss.tensor.number()
        guard loss.isFinite else { throw GuidanceError.notFinite(.loss, iteration: iteration, step: nil) }

        var gradients: [Tensor] = []
        var norms: [Double] = []
        if let tape, !guidance.isEnough(similarities + [evaluation.similarity]) {
            let before = device.memoryInUse - kept, peak = device.watchMemory()
            let end = try tape.gradients(of: evaluation.loss, withRespectTo: [latent])[0]
            memory.note(working: peak.bytes - before)
            (gradients, norms) = try backward(&path, from: end, iteration: iteration)
            try update(with: gradients, norms: norms)
            completedIterations += 1
        } else {
            isFinished = true
        }
        if anchors.isEmpty, schedule.kind == .rectified { anchors = path.states }
        losses.append(loss)
        similarities.append(evaluation.similarity)
        return GuidancePass(
            iteration: iteration, isLast: isFinished, states: path.states, velocities: path.velocities,
            latent: path.end,
            loss: loss, similarity: evaluation.similarity, details: evaluation.details, gradients: gradients,
            gradientNorms: norms)
    }
}

/// The way there.
extension GuidedSampler {
    /// A step on a tape of its own, waiting for the gradient by its end.
    private struct TrackedStep {
        let tape: Tape
        let start: Variable
        let end: Variable
    }

    /// A trajectory, with what differentiating it takes.
    private struct Path {
        /// x_1, ..., x_N.
        var states: [Tensor] = []
        var velocities: [Tensor] = []
        /// The last steps of those that are differentiated, in their order; the others are recomputed.
        var tracked: [TrackedStep] = []
        var end: Tensor

        /// Gives up records while memory is short: parts of steps, those that run again in the least time for their
        /// memory, then whole steps, the earliest first.
        mutating func release(while isShort: () -> Bool) {
            while !tracked.isEmpty, isShort() {
                let efforts = tracked.map(\.tape.leastEffort)
                if let least = efforts.compactMap({ $0 }).min(), let index = efforts.firstIndex(of: least) {
                    tracked[index].tape.release()
                } else {
                    tracked.removeFirst()
                }
            }
        }
    }

    /// Runs all steps.
    ///
    /// Each step is on a tape of its own. That is all that both flows need, since the gradient by x_{k+1} is passed to
    /// y_k as it is: d_k is a constant in one, and in the other the anchor gives the value and y_k the derivative.
    private mutating func forward(iteration: Int, tracked: Bool) throws -> Path {
        var path = Path(end: noise)
        for step in schedule.steps {
            let before = noise.device.memoryInUse, peak = noise.device.watchMemory()
            let tape = tracked && step.index >= first.jacobian ? Tape(isReleasable: memory.releases) : nil
            let x = tape?.track(path.end) ?? Variable(path.end)
            let (velocity, y) = try run(step, at: x)
            let base = anchors.isEmpty ? y.tensor : anchors[step.index]
            let state = try Variable(base).adding(Variable(offsets[step.index])).tensor
            guard norm(state).isFinite else {
                throw GuidanceError.notFinite(.state, iteration: iteration, step: step.index + 1)
            }
            if let tape { path.tracked.append(TrackedStep(tape: tape, start: x, end: y)) }
            memory.note(recording: peak.bytes - before)
            let isLast = step.index == schedule.steps.count - 1
            path.release(while: { memory.isShort(used: noise.device.memoryInUse, beforeStep: !isLast) })
            path.states.append(state)
            path.velocities.append(velocity.tensor)
            path.end = state
        }
        return path
    }

    /// One step: the velocity at `x` and the state y after it.
    private func run(_ step: Step, at x: Variable) throws -> (velocity: Variable, end: Variable) {
        let output = try field(x, timestep: step.timestep, step: step.index)
        guard output.shape == x.shape else {
            throw GuidanceError.outputShape(output.shape, latent: x.shape, step: step.index)
        }
        let velocity = try step.velocity(at: x, output: output)
        return (velocity, try step.advance(x, velocity: velocity))
    }
}

/// The way back.
extension GuidedSampler {
    /// dL/dx_k and their norms for k = 0, ..., N-1 from dL/dx_N; zero where the gradient does not reach.
    private mutating func backward(
        _ path: inout Path, from end: Tensor, iteration: Int
    ) throws -> (gradients: [Tensor], norms: [Double]) {
        var gradients: [Tensor] = []
        var norms: [Double] = []
        var gradient = end
        for step in schedule.steps[first.gradient...].reversed() {
            // Before this step velocities count as constants, and y = x + constant hands the gradient on as it is.
            if step.index >= first.jacobian {
                let x = step.index == 0 ? noise : path.states[step.index - 1]
                let before = noise.device.memoryInUse, peak = noise.device.watchMemory()
                // A step's activations go with its tape, so that memory falls on the way.
                let record = try path.tracked.popLast() ?? track(step, at: x)
                gradient = try record.tape.gradients(of: record.end, withRespectTo: [record.start], seed: gradient)[0]
                memory.note(working: peak.bytes - before)
            }
            let length = norm(gradient)
            guard length.isFinite else {
                throw GuidanceError.notFinite(.gradient, iteration: iteration, step: step.index)
            }
            gradients.append(gradient)
            norms.append(length)
        }
        if first.gradient > 0 {
            gradients += Array(repeating: try Tensor(repeating: 0, shape: noise.shape), count: first.gradient)
            norms += Array(repeating: 0, count: first.gradient)
        }
        return (gradients.reversed(), norms.reversed())
    }

    private func track(_ step: Step, at x: Tensor) throws -> TrackedStep {
        let tape = Tape()
        let start = tape.track(x)
        return TrackedStep(tape: tape, start: start, end: try run(step, at: start).end)
    }

    /// d_k -= c_k * rate * g_k / max(1, |g_k|): gradients are shortened to 1, never lengthened.
    private mutating func update(with gradients: [Tensor], norms: [Double]) throws {
        var updated = offsets
        for (index, gradient) in gradients.enumerated() where index >= first.gradient {
            let scale = Float(-gains[index] * guidance.rate / max(1, norms[index]))
            let offset = try Variable(offsets[index]).adding(Variable(gradient).scaled(by: scale)).tensor
            guard norm(offset).isFinite else {
                throw GuidanceError.notFinite(.offset, iteration: completedIterations, step: index)
            }
            updated[index] = offset
        }
        offsets = updated
    }

    /// L2 norm over all elements; in double, where squares of float32 numbers cannot overflow, it is finite exactly where
    /// all of them are.
    private func norm(_ x: Tensor) -> Double { x.device.dot(x, x).squareRoot() }
}
