import Synchronization

/// The places for jobs of a worker, until it is closed to new ones.
final class Slots: Sendable {
    private struct Contents {
        var free: Int
        var isClosed = false
        var takers: [UInt64: CheckedContinuation<Bool, Never>] = [:]
        var watchers: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextID: UInt64 = 0
    }

    private let contents: Mutex<Contents>

    init(_ count: Int) {
        contents = Mutex(Contents(free: count))
    }

    /// Waits for a free place and takes it; false once closed, or when the calling task is cancelled.
    func take() async -> Bool {
        let id = newID()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = contents.withLock { contents -> Bool? in
                    if contents.isClosed || Task.isCancelled { return false }
                    if contents.free > 0 {
                        contents.free -= 1
                        return true
                    }
                    contents.takers[id] = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            contents.withLock { $0.takers.removeValue(forKey: id) }?.resume(returning: false)
        }
    }

    /// Gives a place back.
    func giveBack() {
        let taker = contents.withLock { contents -> CheckedContinuation<Bool, Never>? in
            // In the order in which they came.
            guard let first = contents.takers.keys.min() else {
                contents.free += 1
                return nil
            }
            return contents.takers.removeValue(forKey: first)
        }
        taker?.resume(returning: true)
    }

    var isClosed: Bool { contents.withLock { $0.isClosed } }

    /// Takes nobody in any more.
    func close() {
        let (takers, watchers) = contents.withLock { contents in
            defer {
                contents.takers = [:]
                contents.watchers = [:]
            }
            contents.isClosed = true
            return (Array(contents.takers.values), Array(contents.watchers.values))
        }
        for taker in takers { taker.resume(returning: false) }
        for watcher in watchers { watcher.resume() }
    }

    /// Waits until ``close()``, or until the calling task is cancelled.
    func closed() async {
        let id = newID()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = contents.withLock { contents -> Bool in
                    if contents.isClosed || Task.isCancelled { return true }
                    contents.watchers[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            contents.withLock { $0.watchers.removeValue(forKey: id) }?.resume()
        }
    }

    private func newID() -> UInt64 {
        contents.withLock { contents in
            contents.nextID += 1
            return contents.nextID
        }
    }
}
