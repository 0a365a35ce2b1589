import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Testing
import TinyModel

@Suite(.serialized, .enabled(if: RealBroker.isAvailable), .timeLimit(.minutes(5)))
struct ResumeTests {
    @Test func aHundredJobsInterruptedAgainAndAgainComeToTheSamePictures() async throws {
        let iterations = 10
        var play = ResumePlay(requests: [:], plan: [:], personalizer: TinyPersonalizer())
        for index in 0..<100 {
            let seed = UInt64(1000 + index)
            play.requests["job-\(index)"] = TinyRequest.make(iterations: iterations, seed: seed)
            // Not before the last iteration nor the pass after it, which are done rather than handed over.
            play.plan[seed] = Set((0..<iterations - 1).shuffled().prefix(Int.random(in: 2...5)))
        }
        let expected = try await play.undisturbed()
        let broker = try await RealBroker.connect()
        let pool = try RealBroker.pool()
        let tally = try await play.interrupted(on: broker, pool: pool)
        for (id, request) in play.requests {
            #expect(tally.finals[id] == expected[id].map { [$0] }, "\(id)")
            let planned = play.plan[request.seed ?? 0] ?? []
            // Handed over after the pass before which it was asked for.
            #expect(tally.firstIterations[id] == [0] + planned.sorted().map { $0 + 1 }, "\(id)")
        }
        #expect(Set(expected.values.compactMap { $0.picture?.content }.map { "\($0)" }).count == 100)
        print("100 jobs, \(tally.firstIterations.values.reduce(0) { $0 + $1.count - 1 }) interruptions")
        try await broker.remove(pool.topology)
        await broker.close()
    }
}
