import Foundation

/// Runs blocking work on a thread of its own.
///
/// A pass takes from milliseconds to minutes. On Swift's cooperative pool, which has one thread per core, a few jobs
/// would stop everything else that is asynchronous in the process: replies, cancellation, the broker's calls.
enum ComputeThread {
    /// Networks recurse little, but C libraries below them use the stack freely.
    private static let stackSize = 16 << 20

    /// Runs `work` on a new thread and waits for it without blocking.
    static func run<Value: Sendable>(_ name: String, _ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            let thread = Thread { continuation.resume(returning: work()) }
            thread.name = name
            thread.stackSize = stackSize
            thread.start()
        }
    }
}
