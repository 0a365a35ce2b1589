import Foundation

/// Runs blocking calls on threads of their own.
///
/// Swift's cooperative pool has one thread per core, and Dispatch's queues few more while all of theirs are blocked.
package enum BlockingThread {
    /// Runs `work` on a new thread and waits for it without blocking.
    package static func run<Value: Sendable>(
        _ name: String, _ work: @escaping @Sendable () -> Value
    ) async -> Value {
        await withCheckedContinuation { continuation in
            let thread = Thread { continuation.resume(returning: work()) }
            thread.name = name
            thread.start()
        }
    }
}
