public import Tensors

/// Operations of a tape that can run again, so that what their records keep can be given up.
///
/// Rematerialisation (gradient checkpointing, Chen and others 2016, arXiv 1604.06174), record by record: positions and
/// inputs of the records stay, so that gradients are summed in the same order and are the same to the bit.
final class Segment {
    /// An operation's result, with what its derivative needs to know of it.
    typealias Result = (output: Tensor, statistics: Tensor)

    /// About how many products it takes to compute an element again.
    let effort: Int
    /// Where its records are.
    private(set) var positions: Range<Int>
    private(set) var isReleased = false
    private let body: (Tape) throws(TensorError) -> Void
    /// Results that cost more to compute again than to keep, in their order.
    private var costly: [Result] = []
    /// Of the next operation and the next costly result, where they run again.
    private var next: (position: Int, costly: Int)?

    init(at position: Int, effort: Int, _ body: @escaping (Tape) throws(TensorError) -> Void) {
        positions = position..<position
        (self.effort, self.body) = (effort, body)
    }

    /// The position of the next operation if it runs again.
    func nextPosition() -> Int? {
        defer { next?.position += 1 }
        return next?.position
    }

    /// A result that is kept where the segment is given up.
    func result(_ compute: () throws(TensorError) -> Result) throws(TensorError) -> Result {
        if let index = next?.costly {
            next?.costly += 1
            return costly[index]
        }
        let result = try compute()
        costly.append(result)
        return result
    }

    func close(at position: Int) { positions = positions.lowerBound..<position }

    func release(from tape: Tape) {
        for position in positions { tape.records[position]?.pullback = nil }
        isReleased = true
    }

    /// Runs the operations again, which completes those of their records that are still on the tape.
    func run(on tape: Tape) throws(TensorError) {
        next = (positions.lowerBound, 0)
        tape.openSegment = self
        defer {
            tape.openSegment = nil
            next = nil
        }
        try body(tape)
    }
}

extension Tape {
    /// The least effort of the segments that ``release()`` may give up; nil where there are none.
    public var leastEffort: Int? { segments.lazy.filter { !$0.isReleased }.map(\.effort).min() }

    /// Gives up the records of a segment of the least effort, the first of them: it runs again on the way back.
    public func release() {
        let least = leastEffort
        segments.first { !$0.isReleased && $0.effort == least }?.release(from: self)
    }
}

extension Variable {
    /// What `body` makes of this variable, by operations whose records a releasable tape may give up.
    ///
    /// The tape keeps this variable and, of attention over long sequences, the output.
    ///
    /// - Parameters:
    ///   - effort: About how many products it takes to compute an element again, the number of inputs for a linear map;
    ///     segments of little effort are given up first.
    ///   - body: Gives the same numbers each time. It tracks nothing else than the variable that it is given.
    public func recomputable<Result>(
        effort: Int, _ body: @escaping (Variable) throws(TensorError) -> Result
    ) throws(TensorError) -> Result {
        guard let tape, let position, tape.isReleasable, tape.openSegment == nil else { return try body(self) }
        let start = tensor
        let segment = Segment(at: tape.count, effort: effort) { (tape) throws(TensorError) in
            _ = try body(Variable(tensor: start, tape: tape, position: position))
        }
        tape.openSegment = segment
        defer { tape.openSegment = nil }
        let result = try body(self)
        segment.close(at: tape.count)
        tape.segments.append(segment)
        return result
    }

    /// A result that is kept even where the operations around it are given up.
    func costly(
        if isCostly: Bool, _ compute: () throws(TensorError) -> Segment.Result
    ) throws(TensorError) -> Segment.Result {
        guard isCostly, let segment = tape?.openSegment else { return try compute() }
        return try segment.result(compute)
    }
}
