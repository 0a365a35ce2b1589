import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
import RectifIDClient
import Synchronization
import Testing
import TinyModel

/// Many jobs through worker processes while these are killed, the broker restarts and the network is cut; `scripts/soak`.
@Suite(.serialized, .enabled(if: PrivateNode.isAvailable), .timeLimit(.minutes(60)))
struct SoakTests {
    private static let count = ProcessInfo.processInfo.environment["RECTIFID_SOAK_JOBS"].flatMap { Int($0) } ?? 1200

    @Test func everyJobIsAnsweredWhateverDies() async throws {
        try await SoakStage.play(workers: 4, passMilliseconds: 2) { stage in
            let publishing = Task { try await stage.publish(Self.count) }
            let start = ContinuousClock.now
            let mischief = Task { await stage.makeMischief() }
            var tally = ReplyTally()
            let restarts = Set((1...3).map { $0 * Self.count / 4 })
            try await tally.read(stage.replies, on: stage.direct, untilAnswered: Self.count) { answered in
                if restarts.contains(answered) { await stage.restartBroker() }
            }
            let elapsed = start.duration(to: .now)
            mischief.cancel()
            await mischief.value
            try await publishing.value
            try await stage.stopWorkers()
            try await tally.readRest(stage.replies, on: stage.direct)

            let all = Set((0..<Self.count).map { SoakStage.jobID($0) })
            #expect(Set(tally.finals.keys) == all)
            #expect(tally.finals.values.allSatisfy { $0[0].status == .ok })
            #expect(tally.contradictory.isEmpty, "\(tally.contradictory.prefix(3))")
            #expect(try await RealBroker.isSettled(stage.pool, on: stage.direct))
            #expect(try await stage.direct.depth(of: stage.pool.deadLetterQueue).messages == 0)
            let journal = try SoakJournal(stage.journal)
            let needless = journal.needless(faults: stage.faults)
            #expect(needless.isEmpty, "\(needless.prefix(3))")
            // Whatever happens to the broker, at the start or later, is waited for.
            #expect(stage.gaveUp == 0)
            print(
                "\(Self.count) jobs in \(elapsed): \(tally.answered) answered, \(all.count - tally.answered) lost,",
                "\(tally.repeated) answered again with the same, \(journal.executions - Self.count) executions repeated",
                "or resumed, \(needless.count) after their acknowledgement; \(stage.summary)")
        }
    }

    /// Only at length: what a worker remembers of its last jobs has a bound, but fills up at first.
    @Test(.enabled(if: Self.count >= 10_000)) func memoryOfWorkersStaysFlat() async throws {
        // More than the 10,000 jobs that a worker remembers; of one worker, since how two share them is chance. Forty
        // bytes that are kept of each job would be more than 2 % of what a worker has. The jobs of one lane end on the
        // way, and another mixture of threads takes over what is remembered.
        let (warmUp, measured) = (12_000, max(15_000, Self.count))
        try await SoakStage.play(workers: 1, passMilliseconds: 0) { stage in
            let publishing = Task { try await stage.publish(warmUp + measured) }
            var tally = ReplyTally()
            try await tally.read(stage.replies, on: stage.direct, untilAnswered: warmUp)
            var samples: [[Int]] = []
            try await tally.read(stage.replies, on: stage.direct, untilAnswered: warmUp + measured) { answered in
                if (answered - warmUp) % max(measured / 50, 1) == 0 { samples.append(stage.workerKilobytes) }
            }
            try await publishing.value
            try await stage.stopWorkers()
            // Means of the first and the last fifth: single samples swing with what is under way.
            let part = samples.count / 5
            try #require(part > 0)
            for worker in samples[0].indices {
                let first = samples.prefix(part).reduce(0) { $0 + $1[worker] } / part
                let last = samples.suffix(part).reduce(0) { $0 + $1[worker] } / part
                print("worker \(worker): \(first) kB, \(measured) jobs later \(last) kB")
                #expect(Double(last) <= Double(first) * 1.02)
            }
        }
    }
}
