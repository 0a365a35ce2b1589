public import Tensors

/// Derivatives of an operation's inputs from the derivative of its output, in the order of its tracked inputs.
typealias Pullback = (_ dy: Tensor) throws(TensorError) -> [Tensor]

/// The record of a computation, kept to differentiate it.
///
/// Operations on variables of a tape append to it; a variable that no tape tracks is a constant and costs nothing. A
/// record keeps just what its derivative needs. Records refer to each other by position, so that walking them is a loop
/// and releasing a long chain cannot overflow the stack, as a linked graph of nodes would. Confined to one thread.
public final class Tape {
    struct Record {
        /// Positions of the tracked inputs; empty for a variable that `track` made.
        let inputs: [Int]
        /// Nil too where it was given up.
        var pullback: Pullback?

        var isReleased: Bool { pullback == nil && !inputs.isEmpty }
    }

    var records: [Record?] = []
    /// Operations that can run again, in the order of their positions; none unless the tape is releasable.
    var segments: [Segment] = []
    /// The segment whose operations are running, for the first or the second time.
    var openSegment: Segment?
    let isReleasable: Bool

    /// - Parameter isReleasable: Whether ``release()`` is to find something, for which a little more is kept.
    public init(isReleasable: Bool = false) { self.isReleasable = isReleasable }

    /// Number of operations on the tape.
    public var count: Int { records.count }

    /// Starts to track a tensor: derivatives with respect to it can be asked for.
    public func track(_ tensor: Tensor) -> Variable {
        records.append(Record(inputs: [], pullback: nil))
        return Variable(tensor: tensor, tape: self, position: records.count - 1)
    }

    func record(_ value: Tensor, inputs: [Int], pullback: @escaping Pullback) -> Variable {
        if let position = openSegment?.nextPosition() {
            records[position]?.pullback = pullback
            return Variable(tensor: value, tape: self, position: position)
        }
        records.append(Record(inputs: inputs, pullback: pullback))
        return Variable(tensor: value, tape: self, position: records.count - 1)
    }

    /// Gradients of a number (or, with `seed`, of the sum of `output * seed`) with respect to variables, which may be
    /// results of operations as well as tracked inputs.
    ///
    /// Consumes the tape: every record is released as soon as it has been walked, so that memory falls on the way back.
    ///
    /// - Parameters:
    ///   - output: What to differentiate; shape `[]` or one element unless `seed` is given.
    ///   - variables: What to differentiate by.
    ///   - seed: dL/d(output), of the shape of `output`; 1 by default.
    /// - Returns: A gradient per variable, of its shape; zeros where the output does not depend on it.
    /// - Throws: ``TensorError`` where the output is not a single number and there is no seed, where a variable belongs
    ///   to another tape, or where memory runs out.
    public func gradients(
        of output: Variable, withRespectTo variables: [Variable], seed: Tensor? = nil
    ) throws(TensorError) -> [Tensor] {
        let start = if let seed { seed } else { try unitSeed(for: output) }
        guard start.shape == output.shape else {
            throw .mismatch("gradient", output.shape, start.shape, "the seed must have the shape of the output")
        }
        var positions: [Int] = []
        for variable in variables {
            guard let position = variable.position, variable.tape === self else {
                throw TensorError("gradient", "a variable of shape \(variable.shape) is not tracked by this tape")
            }
            positions.append(position)
        }
        guard let end = output.position, output.tape === self else {
            return try zeros(like: variables, found: [:])
        }
        let found = try walk(from: end, seed: start, to: Set(positions))
        return try zeros(like: variables, found: found)
    }

    private func unitSeed(for output: Variable) throws(TensorError) -> Tensor {
        guard output.shape.count == 1 else {
            throw TensorError("gradient", "the output has shape \(output.shape); a single number or a seed is needed")
        }
        return try Tensor(repeating: 1, shape: output.shape)
    }

    private func zeros(like variables: [Variable], found: [Int: Tensor]) throws(TensorError) -> [Tensor] {
        var result: [Tensor] = []
        for variable in variables {
            if let position = variable.position, let gradient = found[position] {
                result.append(gradient)
            } else {
                result.append(try Tensor(repeating: 0, shape: variable.shape))
            }
        }
        return result
    }

    private func walk(from end: Int, seed: Tensor, to wanted: Set<Int>) throws(TensorError) -> [Int: Tensor] {
        let needed = dependents(of: wanted, upTo: end)
        var pending: [Int: Tensor] = [end: seed]
        var found: [Int: Tensor] = [:]
        for position in stride(from: end, through: wanted.min() ?? 0, by: -1) {
            guard records[position] != nil else {
                throw TensorError("gradient", "this part of the tape has been differentiated and released already")
            }
            let dy = needed[position] ? pending.removeValue(forKey: position) : nil
            let record = try takeRecord(at: position, complete: dy != nil)
            guard let dy else { continue }
            if wanted.contains(position) { found[position] = dy }
            guard let pullback = record?.pullback, let inputs = record?.inputs, inputs.contains(where: { needed[$0] })
            else { continue }
            for (input, gradient) in zip(inputs, try pullback(dy)) where needed[input] {
                if var sum = pending.removeValue(forKey: input) {
                    try sum.add(gradient)
                    pending[input] = sum
                } else {
                    pending[input] = gradient
                }
            }
        }
        return found
    }

    /// A record, off the tape; what was given up of it runs again if it is to be complete.
    private func takeRecord(at position: Int, complete: Bool) throws(TensorError) -> Record? {
        while let last = segments.last, last.positions.lowerBound > position { segments.removeLast() }
        if complete, records[position]?.isReleased ?? false { try segments.last?.run(on: self) }
        defer { records[position] = nil }
        return records[position]
    }

    /// Marks the positions through which a wanted variable influences later ones, so that the walk goes nowhere else.
    private func dependents(of wanted: Set<Int>, upTo end: Int) -> [Bool] {
        var needed = [Bool](repeating: false, count: end + 1)
        for position in 0...end {
            needed[position] =
                wanted.contains(position) || (records[position]?.inputs.contains { needed[$0] } ?? false)
        }
        return needed
    }
}
