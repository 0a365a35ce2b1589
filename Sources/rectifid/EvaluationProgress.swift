import Evaluation
import Foundation
import Synchronization

/// Progress of an evaluation: a bar on a terminal, ten lines elsewhere.
final class EvaluationProgress: Sendable {
    private struct State {
        var done = 0
        var judged: [Double] = []
    }

    private let isTerminal = StandardError.isTerminal
    private let start = ContinuousClock().now
    private let state = Mutex(State())

    /// Shows that a pair of pictures is done.
    func show(_ progress: EvaluationRun.Progress) {
        state.withLock { state in
            state.judged += progress.scores.filter(\.isGuided).compactMap { $0.judge.map(Double.init) }
            // Pairs of two threads may arrive out of order.
            state.done = max(state.done, progress.done)
            let line = line(state.done, of: progress.total, judged: state.judged)
            if isTerminal {
                let width = 28, filled = width * state.done / progress.total
                let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
                StandardError.write("\r\(bar) \(line)\u{1b}[K" + (state.done == progress.total ? "\n" : ""))
            } else if progress.done * 10 / progress.total > (progress.done - 1) * 10 / progress.total {
                StandardError.write(line + "\n")
            }
        }
    }

    private func line(_ done: Int, of total: Int, judged: [Double]) -> String {
        let seconds = (ContinuousClock().now - start) / .seconds(1)
        let left = Int((seconds / Double(done) * Double(total - done)).rounded())
        var text = String(format: "%d/%d", done, total)
        if !judged.isEmpty {
            text += String(format: "  judge's cosine %.3f so far", judged.reduce(0, +) / Double(judged.count))
        }
        return text + String(format: "  %.0f s, %d:%02d left", seconds, left / 60, left % 60)
    }
}
