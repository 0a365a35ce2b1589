import Tensors

/// Which steps keep what their derivative needs, and which run a second time on the way back.
///
/// Memory against one more evaluation of the network; the numbers are the same to the bit.
public enum Recompute: Sendable, Hashable {
    /// Every step keeps its activations: fastest.
    case none
    /// No step does; that takes the memory of one step.
    case steps
    /// As much is kept as fits. While all tensors of the process take more than `memory` bytes, steps give up parts of
    /// their activations that are soon computed again, those that take the least time for their memory first; then the
    /// earliest step all of its own, since the last ones are the first to be asked for.
    case auto(memory: Int)

    /// As many as fit into a process of so many bytes, of which 5 % and a quarter GiB, or a fifth where that is less, are for
    /// what is not tensors: code, pictures, messages.
    public static func fitting(process bytes: Int) -> Recompute {
        .auto(memory: bytes / 100 * 95 - min(1 << 28, bytes / 5))
    }

    /// As many as fit into nine tenths of what this process may take.
    public static var standard: Recompute { .fitting(process: CPU.memoryLimit / 10 * 9) }
}

/// How ``Recompute/auto(memory:)`` decides, from what earlier passes took.
struct MemoryWatch {
    let recompute: Recompute
    /// What the objective with its derivative, or a step with its own, took at most beyond what was in use before; a guess
    /// before the first pass.
    private var working: Int
    private var isMeasured = false
    /// What running a step and recording it took at most, on the way there.
    private var recording = 0

    init(_ recompute: Recompute) {
        self.recompute = recompute
        // A decoder's share at common sizes.
        working = if case .auto(let memory) = recompute { memory / 5 * 2 } else { 0 }
    }

    /// Whether steps are to be recorded on the way there.
    var records: Bool { recompute != .steps }

    /// Whether records may have to be given up.
    var releases: Bool { if case .auto = recompute { true } else { false } }

    /// Whether steps must give up activations, with `used` bytes in use beside the objective, before another step is
    /// recorded or after the last.
    func isShort(used: Int, beforeStep: Bool = false) -> Bool {
        guard case .auto(let memory) = recompute else { return false }
        return used + (beforeStep ? max(working, recording) : working) > memory
    }

    /// Corrects the guess once an objective has kept so many bytes for its derivative, which takes half as much again or
    /// more for a moment.
    mutating func guess(kept bytes: Int) {
        if !isMeasured { working = bytes / 5 * 8 }
    }

    /// Notes what running a step and recording it took.
    mutating func note(recording bytes: Int) { recording = max(recording, bytes) }

    /// Notes what the objective with its derivative, or a step with its own, took.
    mutating func note(working bytes: Int) {
        working = isMeasured ? max(working, bytes) : bytes
        isMeasured = true
    }
}
