import Tensors

/// Which steps keep what their derivative needs, and which run a second time on the way back.
///
/// Memory against one more evaluation of the network; the numbers are the same to the bit.
public enum Recompute: Sendable, Hashable {
    /// Every step keeps its activations: fastest.
    case none
    /// No step does; that takes the memory of one step.
    case steps
    /// As many keep theirs as fit: the last ones, since they are the first to be asked for. While all tensors of the
    /// process take more than `memory` bytes, the earliest step gives up its own.
    case auto(memory: Int)

    /// As many as fit into a process of so many bytes: what is not tensors, and gaps between them, take 15 %.
    public static func fitting(process bytes: Int) -> Recompute { .auto(memory: bytes / 100 * 85) }

    /// As many as fit into nine tenths of what this process may take.
    public static var standard: Recompute { .fitting(process: CPU.memoryLimit / 10 * 9) }

    /// Whether a part of the objective that would keep `bytes` of activations is to compute them twice instead: where they
    /// are more than a quarter of the memory, steps are the better use of it.
    public func recomputes(activations bytes: Int) -> Bool {
        switch self {
        case .none: false
        case .steps: true
        case .auto(let memory): bytes > memory / 4
        }
    }
}

/// How ``Recompute/auto(memory:)`` decides, from what earlier passes took.
struct MemoryWatch {
    let recompute: Recompute
    /// What the objective took at most beyond the steps, in bytes; nil before the first pass.
    private var objective: Int?

    init(_ recompute: Recompute) { self.recompute = recompute }

    /// Whether steps are to be recorded on the way there.
    var records: Bool { recompute != .steps }

    /// Whether a step must give up its activations, with `used` bytes in use before the objective.
    func isShort(used: Int) -> Bool {
        guard case .auto(let memory) = recompute else { return false }
        // The objective's need is not known before the first pass: two fifths are a decoder's share at common sizes.
        return used + (objective ?? memory / 5 * 2) > memory
    }

    /// Whether a step must give up its activations, with `used` bytes in use after the objective.
    func isShort(usedAfterObjective used: Int) -> Bool {
        guard case .auto(let memory) = recompute else { return false }
        return used > memory
    }

    /// Notes what the objective took.
    ///
    /// A quarter more is for what its derivative takes for a moment.
    mutating func note(objective bytes: Int) { objective = max(objective ?? 0, bytes / 4 * 5) }
}
