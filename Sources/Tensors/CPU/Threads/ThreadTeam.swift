internal import CKernels
import Foundation
internal import Synchronization

/// Threads that help whoever splits an operation.
///
/// An operation of a small network takes some tens of microseconds, no longer than waking a thread does. So a helper looks
/// out for the next operation for a while before it sleeps; and whoever splits an operation begins at once, takes all of
/// it where nobody comes in time, and waits only for helpers that have begun.
final class ThreadTeam: Sendable {
    private let board: Board

    /// - Parameter helpers: Threads besides those that call; they start when the first is needed.
    init(helpers: Int) { board = Board(helpers: helpers) }

    deinit { board.close() }

    /// Runs `body(range, thread)` for every one of `ranges`, each once, on at most `takers` threads that count from zero.
    func run(ranges: Int, takers: Int, _ body: @escaping (Int, Int) -> Void) {
        let work = Work(ranges: ranges, body)
        board.post(work, places: takers - 1)
        work.takeRanges(as: 0)
        board.remove(work)
        work.finish()
    }
}

/// A split operation.
///
/// Its body is not Sendable and ends with ``ThreadTeam/run(ranges:takers:_:)``: nobody begins after ``Board/remove(_:)``,
/// who has begun is waited for, and then it is let go, although a helper may keep the work a moment longer. A range is
/// written by one thread.
private final class Work: @unchecked Sendable {
    let ranges: Int
    private var body: ((Int, Int) -> Void)?
    private let taken = Atomic(0)
    /// Helpers at work, and whether their last is to wake whoever waits.
    private let helpers = Atomic(0)
    private static let waited = 1 << 32
    private let finished = DispatchSemaphore(value: 0)

    init(ranges: Int, _ body: @escaping (Int, Int) -> Void) {
        self.ranges = ranges
        self.body = body
    }

    var isTaken: Bool { taken.load(ordering: .relaxed) >= ranges }

    /// Never inlined, so that nothing holds the body afterwards.
    @inline(never) func takeRanges(as thread: Int) {
        while case let range = taken.add(1, ordering: .relaxed).oldValue, range < ranges { body?(range, thread) }
    }

    func begin() { helpers.add(1, ordering: .relaxed) }

    func end() {
        if helpers.subtract(1, ordering: .acquiringAndReleasing).oldValue == Work.waited | 1 { finished.signal() }
    }

    func finish() {
        let areGone = Patience.wait { helpers.load(ordering: .acquiring) == 0 }
        if !areGone, helpers.bitwiseOr(Work.waited, ordering: .acquiringAndReleasing).oldValue != 0 { finished.wait() }
        body = nil
    }
}

/// Where work is posted for the helpers of a team.
private final class Board: Sendable {
    private struct Post {
        let work: Work
        var places: Int
        var helpers = 0
    }

    private struct State {
        var posts: [Post] = []
        var sleeping = 0
        var hasStarted = false, isClosed = false

        /// Two at most of those that sleep, for so many places; each wakes two more, or the first would wake them all.
        mutating func rouse(_ places: Int) -> Int {
            let roused = min(places, sleeping, 2)
            sleeping -= roused
            return roused
        }
    }

    private enum Finding {
        case work(Work, thread: Int, roused: Int), nothing, sleep, closed
    }

    private let helpers: Int
    private let state = Mutex(State())
    /// Posts, for looking without the lock.
    private let posted = Atomic(0)
    private let waking = DispatchSemaphore(value: 0)

    init(helpers: Int) { self.helpers = helpers }

    func post(_ work: Work, places: Int) {
        guard places > 0, helpers > 0 else { return }
        let (roused, isFirst) = state.withLock { state in
            defer { state.hasStarted = true }
            state.posts.append(Post(work: work, places: places))
            posted.store(state.posts.count, ordering: .relaxed)
            return (state.rouse(places), !state.hasStarted)
        }
        wake(roused)
        guard isFirst else { return }
        // Where the system has no more threads, the others do their work.
        for _ in 0..<helpers { Thread.detachNewThread { self.help() } }
    }

    func remove(_ work: Work) {
        state.withLock { state in
            state.posts.removeAll { $0.work === work }
            posted.store(state.posts.count, ordering: .relaxed)
        }
    }

    func close() {
        let sleeping = state.withLock { state in
            state.isClosed = true
            return state.sleeping
        }
        wake(sleeping)
    }

    private func wake(_ count: Int) {
        for _ in 0..<count { waking.signal() }
    }

    private func help() {
        while true {
            let sawPost = Patience.wait { posted.load(ordering: .relaxed) > 0 }
            switch find(orSleep: !sawPost) {
            case .work(let work, let thread, let roused):
                wake(roused)
                work.takeRanges(as: thread)
                work.end()
            case .nothing: continue
            case .sleep: waking.wait()
            case .closed: return
            }
        }
    }

    /// Work with a place, and which of its threads this one is; whoever shall sleep is counted as asleep.
    private func find(orSleep: Bool) -> Finding {
        state.withLock { state in
            if state.isClosed { return .closed }
            state.posts.removeAll { $0.work.isTaken }
            defer { posted.store(state.posts.count, ordering: .relaxed) }
            guard !state.posts.isEmpty else {
                if orSleep { state.sleeping += 1 }
                return orSleep ? .sleep : .nothing
            }
            state.posts[0].places -= 1
            state.posts[0].helpers += 1
            let post = state.posts[0]
            // Whoever looks out for work shall not come for this one.
            if post.places == 0 { state.posts.removeFirst() }
            post.work.begin()
            return .work(post.work, thread: post.helpers, roused: state.rouse(post.places))
        }
    }
}

/// How long a thread looks out for what another one does before it sleeps.
private enum Patience {
    /// Nanoseconds; somewhat longer than being woken takes.
    private static let limit: UInt64 = 100_000
    private static let pauses = 32

    /// - Returns: Whether it came true in time.
    static func wait(_ isTrue: () -> Bool) -> Bool {
        if isTrue() { return true }
        let end = DispatchTime.now().uptimeNanoseconds + limit
        repeat {
            for _ in 0..<pauses {
                if isTrue() { return true }
                rectifid_pause()
            }
        } while DispatchTime.now().uptimeNanoseconds < end
        return false
    }
}
