import Dispatch
import Synchronization
import Testing

@testable import Tensors

@Suite struct ThreadTeamTests {
    /// What a split promises, counted while several threads split at once.
    private final class Tally: Sendable {
        let runs: Mutex<[Int]>
        let busy: Mutex<Set<Int>> = Mutex([])
        let clashes = Atomic(0)

        init(ranges: Int) { runs = Mutex(Array(repeating: 0, count: ranges)) }

        func run(_ range: Int, on thread: Int, takers: Int) {
            let isAlone = busy.withLock { $0.insert(thread).inserted }
            if !isAlone || !(0..<takers).contains(thread) { clashes.add(1, ordering: .relaxed) }
            runs.withLock { $0[range] += 1 }
            busy.withLock { _ = $0.remove(thread) }
        }
    }

    @Test(arguments: [(0, 1), (0, 2), (3, 1), (1, 2), (3, 2), (3, 4), (1, 4)])
    func everyRangeRunsOnceAndNoThreadNumberTwiceAtATime(helpers: Int, takers: Int) {
        let team = ThreadTeam(helpers: helpers)
        // Four at once, each with many short operations: helpers come late, in the middle and never.
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for ranges in 1...400 {
                let tally = Tally(ranges: ranges % 17 + 1)
                team.run(ranges: ranges % 17 + 1, takers: takers) { tally.run($0, on: $1, takers: takers) }
                let once = tally.runs.withLock { $0.allSatisfy { $0 == 1 } }
                #expect(once && tally.clashes.load(ordering: .relaxed) == 0)
            }
        }
    }

    /// Whoever splits waits for a helper that has begun, however long it takes.
    @Test func theLastHelperIsWaitedFor() {
        let team = ThreadTeam(helpers: 1)
        for _ in 0..<20 {
            let hasBegun = DispatchSemaphore(value: 0), done = Atomic(0)
            team.run(ranges: 2, takers: 2) { _, thread in
                // The caller takes one range and holds it until the helper has the other, which then takes its time.
                if thread == 0 { hasBegun.wait() } else { hasBegun.signal() }
                if thread == 1 {
                    for _ in 0..<3 { _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .milliseconds(1)) }
                }
                done.add(1, ordering: .relaxed)
            }
            #expect(done.load(ordering: .relaxed) == 2)
        }
    }

    /// A split within a split, and two that wait for one another's helpers, end.
    @Test func splitsMayBeNested() {
        let team = ThreadTeam(helpers: 2), total = Atomic(0)
        for _ in 0..<200 {
            team.run(ranges: 6, takers: 3) { outer, _ in
                team.run(ranges: 5, takers: 3) { inner, _ in total.add(outer * inner, ordering: .relaxed) }
            }
        }
        #expect(total.load(ordering: .relaxed) == 200 * 15 * 10)
    }

    /// What a body holds is let go when its split ends, by helpers too, and a team's threads keep nothing alive.
    @Test func nothingIsKept() {
        final class Held: Sendable {}
        weak var held: Held?
        for _ in 0..<500 {
            let team = ThreadTeam(helpers: 3)
            let object = Held()
            held = object
            team.run(ranges: 8, takers: 4) { _, _ in _ = Unmanaged.passUnretained(object).toOpaque() }
        }
        #expect(held == nil)
    }
}
