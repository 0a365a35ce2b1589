import Foundation

/// Text for people, apart from results on standard output.
enum StandardError {
    static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

    /// Whether a person looks at it.
    static var isTerminal: Bool { isatty(FileHandle.standardError.fileDescriptor) == 1 }
}

/// Progress of a job: a bar on a terminal, a line now and then elsewhere.
struct ProgressReport {
    private let iterations: Int
    private let isTerminal = StandardError.isTerminal
    private let start = ContinuousClock().now

    init(iterations: Int) { self.iterations = iterations }

    /// Shows a pass.
    func show(iteration: Int, loss: Float, similarity: Float) {
        let seconds = (ContinuousClock().now - start) / .seconds(1)
        let numbers = String(
            format: "%3d/%d  loss %7.3f  similarity %.3f  %5.1f s", iteration, iterations, loss, similarity, seconds)
        if isTerminal {
            let width = 28
            let done = iterations == 0 ? width : width * iteration / iterations
            let bar = String(repeating: "█", count: done) + String(repeating: "░", count: width - done)
            StandardError.write("\r\(bar) \(numbers)\u{1b}[K" + (iteration == iterations ? "\n" : ""))
        } else if iteration % max(1, iterations / 10) == 0 || iteration == iterations {
            StandardError.write(numbers + "\n")
        }
    }
}
