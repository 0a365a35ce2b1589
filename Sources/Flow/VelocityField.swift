public import Autodiff

/// The network, as far as a flow knows it.
///
/// A function of state and time alone: calling it again with the same arguments must give the same numbers, since a
/// sampler that recomputes steps calls it a second time on the way back. Classifier-free guidance belongs inside, see
/// ``ClassifierFreeGuidance``.
public protocol VelocityField {
    /// The network's output for a state: a velocity or noise, as the schedule's ``Schedule/prediction`` says.
    ///
    /// - Parameters:
    ///   - x: The state x_k, [N, H, W, C]; tracked where the step will be differentiated.
    ///   - timestep: What the network is told of time, 0...1000.
    ///   - step: Position k of the step in its schedule.
    /// - Returns: The output, of the shape of `x`.
    /// - Throws: Whatever stops the pass, a cancellation for instance; the sampler hands it on unchanged.
    func callAsFunction(_ x: Variable, timestep: Float, step: Int) throws -> Variable
}
