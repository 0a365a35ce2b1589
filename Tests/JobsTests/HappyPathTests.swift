import Broker
import BrokerTestSupport
@testable import Jobs
import Messages
import Raster
import RectifIDClient
import Testing

@Suite(.timeLimit(.minutes(2)))
struct HappyPathTests {
    @Test(arguments: BrokerKind.available)
    func aJobIsAcceptedReportsProgressAndEndsWithItsPicture(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer()) { worker in
                var request = try Sample.request()
                request.progressInterval = 1
                request.previewInterval = 2
                let submission = try await client.submit(request, jobID: "job-1")
                var events: [PersonalizeEvent] = []
                for try await event in submission { events.append(event) }

                #expect(events.map(\.sequence) == Array(0...5))
                #expect(events.allSatisfy { $0.jobID == "job-1" })
                guard case .accepted(let accepted) = events[0].body else { throw Unexpected(events[0]) }
                #expect(accepted.attempt == 1 && accepted.iterations == 4 && accepted.firstIteration == 0)
                #expect(accepted.workerID == stage.configuration().workerID && accepted.seed == 7)
                for (index, event) in events[1...4].enumerated() {
                    guard case .progress(let progress) = event.body else { throw Unexpected(event) }
                    #expect(progress.iteration == index + 1 && progress.iterations == 4)
                    #expect(progress.preview.isEmpty == (index % 2 == 0))
                    if !progress.preview.isEmpty { #expect(try Picture.decode(progress.preview).width == 16) }
                }
                guard case .result(let result) = events[5].body else { throw Unexpected(events[5]) }
                #expect(result.status == .ok && result.losses.count == 4 && result.attempt == 1)
                #expect(result.modelID == "scripted" && result.modelHash == ScriptedPersonalizer.hash)
                #expect(result.timings.first == Timing(phase: "guidance", seconds: 2.5, count: 5))
                guard case .image(let bytes)? = result.picture?.content else { throw Unexpected(events[5]) }
                #expect(try Picture.decode(bytes).height == 16)
                #expect(bytes == (try expectedPicture(iterations: 4, seed: 7)))
                #expect(try PictureMetadata.read(bytes)["Software"] == "scripted")
                try await eventually { worker.health.counts.succeeded == 1 }
            }
            await client.close()
            let broker = try await stage.connect()
            #expect(try await broker.depth(of: stage.pool.workQueue(.interactive)).messages == 0)
            #expect(try await broker.depth(of: stage.pool.deadLetterQueue).messages == 0)
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func bothLanesAreServedByOneWorker(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer()) { _ in
                let request = try Sample.request(iterations: 0)
                for lane in [Lane.batch, .interactive, .batch] {
                    let result = try await client.submit(request, lane: lane).result()
                    #expect(result.status == .ok && result.losses.isEmpty)
                }
            }
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func severalSlotsComputeAtTheSameTime(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let gate = PassGate(atPass: 1)
            let personalizer = ScriptedPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) })
            var configuration = stage.configuration()
            configuration.slots = 2
            try await stage.withWorker(personalizer, configuration: configuration) { worker in
                let first = try await client.submit(try Sample.request(iterations: 1))
                await gate.isReached()
                // Only a second slot can finish a job while the first stands at the gate.
                let second = try await client.submit(try Sample.request(iterations: 0))
                #expect(try await second.result().status == .ok)
                #expect(worker.health.jobs.map(\.iteration).contains(1))
                gate.open()
                #expect(try await first.result().status == .ok)
            }
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func workersDescribeThemselves(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer()) { worker in
                try await eventually { worker.health.state == .ready }
                for try await reply in try await client.describeWorkers() {
                    #expect(reply.workerID == stage.configuration().workerID && reply.version == "1.2.3")
                    #expect(reply.state == .ready && reply.models.map(\.id) == ["scripted"] && reply.slots == 1)
                    break
                }
            }
            await client.close()
        }
    }

    @Test func interactiveJobsComeFirstAndBatchJobsAreNotStarved() {
        var turns = LaneTurns()
        var taken: [Lane] = []
        for _ in 0..<10 {
            let lane = turns.order[0]
            turns.count(lane)
            taken.append(lane)
        }
        #expect(taken.count { $0 == .interactive } == 8)
        #expect(taken.prefix(5).contains(.batch) && taken.suffix(5).contains(.batch))
    }

    /// What an uninterrupted run gives.
    private func expectedPicture(iterations: Int, seed: UInt64) throws -> [UInt8] {
        let job = PersonalizationJob(pictures: [], request: try Sample.request(iterations: iterations), seed: seed)
        var run = try ScriptedPersonalizer().begin(job, resuming: nil)
        while let pass = try run.next() {
            if pass.isLast { return try pass.picture().encode(.png, metadata: run.metadata) }
        }
        return []
    }
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String

    init(_ event: PersonalizeEvent) { description = "unexpected \(event)" }
}
