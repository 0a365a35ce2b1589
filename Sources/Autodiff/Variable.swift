public import Tensors

/// A tensor together with where it stands on a tape, if on any.
///
/// All operations of networks are methods of this type: with the tape they are recorded, without it they only compute.
public struct Variable {
    /// The numbers.
    public internal(set) var tensor: Tensor
    let tape: Tape?
    let position: Int?

    /// A constant: nothing is recorded for it.
    public init(_ tensor: Tensor) {
        self.init(tensor: tensor, tape: nil, position: nil)
    }

    init(tensor: Tensor, tape: Tape?, position: Int?) {
        self.tensor = tensor
        self.tape = tape
        self.position = position
    }

    /// The extents, outermost first.
    public var shape: Shape { tensor.shape }

    /// Whether operations on this variable are recorded.
    public var isTracked: Bool { position != nil }

    /// The same numbers without the tape.
    public var detached: Variable { Variable(tensor) }

    var device: any Device { tensor.device }

    /// A result of `inputs`: recorded where one of them is tracked.
    ///
    /// - Parameter pullback: Gradients of *tracked* inputs, in their order; it must keep no more than it needs.
    static func result(
        _ value: Tensor, of inputs: [Variable], pullback: @escaping Pullback
    ) -> Variable {
        var tape: Tape?
        var positions: [Int] = []
        for input in inputs {
            guard let position = input.position else { continue }
            tape = input.tape
            positions.append(position)
        }
        guard let tape else { return Variable(value) }
        return tape.record(value, inputs: positions, pullback: pullback)
    }

    /// The result of an operation of one input.
    func mapped(_ value: Tensor, pullback: @escaping (Tensor) throws(TensorError) -> Tensor) -> Variable {
        guard let tape, let position else { return Variable(value) }
        return tape.record(value, inputs: [position]) { (dy) throws(TensorError) in [try pullback(dy)] }
    }
}
