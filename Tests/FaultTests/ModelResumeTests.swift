import Broker
import BrokerTestSupport
import DemoModel
import Foundation
import Generation
import Jobs
import Messages
import RectifIDClient
import Serving
import Testing

/// The same with the shipped model: offsets as they come from real networks.
@Suite(.serialized, .enabled(if: RealBroker.isAvailable), .timeLimit(.minutes(15)))
struct ModelResumeTests {
    @Test func jobsOfTheShippedModelInterruptedAgainAndAgainComeToTheSamePictures() async throws {
        let iterations = 5
        let model = try Model(try DemoModel.directory(), judges: Model.Judges())
        let samples = try DemoModel.samples()
        var play = ResumePlay(
            requests: [:], plan: [:], personalizer: ModelPersonalizer([model], device: "CPU", maximumPixels: nil))
        for index in 0..<5 {
            let sample = samples[index % samples.count]
            let picture = [UInt8](try Data(contentsOf: URL(fileURLWithPath: sample)))
            var request = PersonalizeRequest(
                references: [Reference(picture: .image(picture))], prompt: "a smiling person at the beach")
            request.iterations = iterations
            request.seed = UInt64(40 + index)
            request.output = .png
            if index == 3 {
                // Of five passes after the first none gains a whole cosine: the fourth is the last.
                (request.jacobianDepth, request.plateauPatience, request.plateauTolerance) = (1, 4, 1)
            }
            // One in the other flow, whose resume state has anchors too.
            if index == 4 { request.flow = .rectified }
            play.requests["job-\(index)"] = request
            play.plan[UInt64(40 + index)] = Set((0..<iterations - 1).shuffled().prefix(Int.random(in: 2...3)))
        }
        let expected = try await play.undisturbed()
        #expect(expected["job-3"]?.losses.count == 4 && expected["job-2"]?.losses.count == 5)
        let broker = try await RealBroker.connect()
        let pool = try RealBroker.pool()
        let tally = try await play.interrupted(on: broker, pool: pool)
        for (id, request) in play.requests {
            #expect(expected[id]?.status == .ok)
            #expect(tally.finals[id] == expected[id].map { [$0] }, "\(id)")
            let planned = play.plan[request.seed ?? 0] ?? []
            #expect(tally.firstIterations[id] == [0] + planned.sorted().map { $0 + 1 }, "\(id)")
        }
        try await broker.remove(pool.topology)
        await broker.close()
    }
}
