public import Tensors

/// Why a trajectory cannot be guided.
public enum GuidanceError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What stopped being a number.
    public enum Quantity: String, Sendable, Hashable {
        case state, loss, gradient, offset
    }

    /// A setting out of its range.
    case setting(String)
    /// A resume state of another job, or a damaged one.
    case state(String)
    /// A network whose output has not the shape of its input.
    case outputShape(Shape, latent: Shape, step: Int)
    /// Infinity or NaN. `step` is that of the state x_step, or of the gradient by it; nil for the loss.
    case notFinite(Quantity, iteration: Int, step: Int?)

    public var description: String {
        switch self {
        case .setting(let problem): "guidance: \(problem)"
        case .state(let problem): "resume state does not fit the job: \(problem); start the job afresh"
        case .outputShape(let found, let latent, let step):
            "the network returned shape \(found) for a latent of shape \(latent) at step \(step)"
        case .notFinite(let quantity, let iteration, let step):
            "\(quantity.rawValue) is not finite in iteration \(iteration)"
                + (step.map { ", step \($0)" } ?? "") + "; a lower rate or float32 precision may help"
        }
    }
}
