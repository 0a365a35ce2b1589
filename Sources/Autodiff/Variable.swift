public import Tensors

/// A tensor together with where it stands on a tape, if on any.
///
/// All operations of networks are methods of this type: with the tape they are recorded, without it they only compute.
public struct Variable {
    /// The numbers.
    public let tensor: Tensor
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

extension Tape {
    /// Runs `body` without recording it, and again, recorded, when its derivative is asked for.
    ///
    /// Its memory is held only during the way back, at the price of a second forward pass (gradient checkpointing,
    /// arXiv 1604.06174).
    ///
    /// - Parameters:
    ///   - inputs: The variables that the body differentiates by; other captures count as constants.
    ///   - body: A pure function of its arguments.
    public static func checkpoint(
        _ inputs: [Variable], _ body: @escaping ([Variable]) throws(TensorError) -> Variable
    ) throws(TensorError) -> Variable {
        let values = inputs.map(\.tensor)
        let tracked = inputs.indices.filter { inputs[$0].isTracked }
        let output = try body(values.map { Variable($0) })
        return Variable.result(output.tensor, of: inputs) { (dy) throws(TensorError) in
            let tape = Tape()
            let again = values.enumerated().map {
                tracked.contains($0.offset) ? tape.track($0.element) : Variable($0.element)
            }
            return try tape.gradients(of: try body(again), withRespectTo: tracked.map { again[$0] }, seed: dy)
        }
    }
}
