import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
import Raster
import RectifIDClient
import Testing

/// Measurements, to be run alone and with optimisation.
///
///     RECTIFID_MEASURE=1 RECTIFID_TEST_AMQP_URL=... swift test -c release -Xswiftc -enable-testing --filter OverheadTests
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: ProcessInfo.processInfo.environment["RECTIFID_MEASURE"] != nil && BrokerKind.url != nil))
struct OverheadTests {
    /// A reference of a usual size, and a result of the same.
    private func request() throws -> PersonalizeRequest {
        let pixels = (0..<(512 * 512 * 3)).map { UInt8(truncatingIfNeeded: $0 / 7 ^ $0 >> 9) }
        let picture = try Picture(width: 512, height: 512, pixels: pixels)
        var request = PersonalizeRequest(
            references: [Reference(picture: .image(try picture.encode(.jpeg())))], prompt: "a portrait")
        request.iterations = 0
        return request
    }

    @Test func aWorkerTakesLessThanTenMillisecondsAJobOutsideTheSampler() async throws {
        try await Stage.play(.rabbitMQ) { stage in
            var log = try await ReplyLog(on: stage)
            let body = try request().encode()
            let count = 200
            for index in 0..<count {
                try await log.broker.publishJob(
                    Sample.properties(jobID: "job-\(index)", replyTo: log.queue), body: body, pool: stage.pool)
            }
            try await stage.withWorker(ScriptedPersonalizer(side: 512)) { _ in
                _ = try await log.nextResult()
                let start = ContinuousClock.now
                for _ in 1..<count { #expect(try await log.nextResult().result.status == .ok) }
                let perJob = (ContinuousClock.now - start) / (count - 1) - (try samplerTime())
                print(
                    "worker overhead: \(perJob) a job, reference of \(body.count) bytes; \(try codecs(body)) of it codecs"
                )
                #expect(perJob < .milliseconds(10))
            }
            await log.broker.close()
        }
    }

    @Test(arguments: [1, 2])
    func aWorkerTakesFiveHundredJobsASecondThatComputeNothing(clients: Int) async throws {
        try await Stage.play(.rabbitMQ) { stage in
            var log = try await ReplyLog(on: stage)
            let body = try Sample.request(iterations: 0).encode()
            let count = 3000
            for index in 0..<count {
                let queue = stage.pool.workQueue(.interactive, ofClient: "client-\(index % clients)")
                try await log.broker.publish(
                    OutgoingMessage(Sample.properties(jobID: "job-\(index)", replyTo: log.queue), body: body),
                    exchange: stage.pool.workExchange, routingKey: queue.routingKey)
            }
            try await stage.withWorker(ScriptedPersonalizer()) { _ in
                _ = try await log.nextResult()
                let start = ContinuousClock.now
                for _ in 1..<count { #expect(try await log.nextResult().result.status == .ok) }
                let rate = Double(count - 1) / ((ContinuousClock.now - start) / .seconds(1))
                print("no-op jobs of \(clients) clients through one worker: \(Int(rate)) a second")
                #expect(rate >= 500)
            }
            await log.broker.close()
        }
    }

    @Test func aDrainTakesNoLongerThanTheIterationAndTwoSeconds() async throws {
        try await Stage.play(.rabbitMQ) { stage in
            let client = try await stage.client()
            let broker = try await stage.connect()
            let iteration = Duration.milliseconds(300)
            let personalizer = ScriptedPersonalizer(onPass: { (_) throws(Status) in Thread.sleep(forTimeInterval: 0.3) }
            )
            let worker = JobWorker(
                broker: broker, personalizer: personalizer, configuration: stage.configuration(), logger: .silent)
            let life = Task { try await worker.run() }
            var events = try await client.submit(try Sample.request(iterations: 100)).makeAsyncIterator()
            _ = try await events.next()
            let start = ContinuousClock.now
            worker.drain()
            try await life.value
            await broker.close()
            let time = ContinuousClock.now - start
            print("drain with a job of \(iteration) an iteration: \(time)")
            #expect(time < iteration + .seconds(2) && worker.health.counts.handedOver == 1)
            await client.close()
        }
    }

    /// How long the scripted sampler takes, which is not the worker's time.
    private func samplerTime() throws -> Duration {
        let count = 20
        let job = PersonalizationJob(pictures: [], request: try request(), seed: 1)
        let personalizer = ScriptedPersonalizer(side: 512)
        let start = ContinuousClock.now
        for _ in 0..<count {
            var run = try personalizer.begin(job, resuming: nil)
            _ = try run.next()?.picture()
        }
        return (ContinuousClock.now - start) / count
    }

    /// How long the pictures of a job take to read and write on this machine at this moment.
    private func codecs(_ body: [UInt8]) throws -> Duration {
        let count = 20
        let start = ContinuousClock.now
        for _ in 0..<count {
            let request = try PersonalizeRequest.decode(body)
            guard case .image(let bytes) = request.references[0].picture else { continue }
            _ = try Picture.decode(bytes).encode(.jpeg())
        }
        return (ContinuousClock.now - start) / count
    }

    @Test func anUnreadablePictureIsAnsweredInLessThanATenthOfASecond() async throws {
        try await Stage.play(.rabbitMQ) { stage in
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer()) { _ in
                var times: [Duration] = []
                for _ in 0..<50 {
                    var request = try request()
                    request.references = [Reference(picture: .image([UInt8](repeating: 0xAB, count: 200_000)))]
                    let start = ContinuousClock.now
                    let result = try await client.submit(request).result()
                    times.append(ContinuousClock.now - start)
                    #expect(result.status.code == .invalidArgument)
                }
                times.sort()
                print("unreadable picture: answered in \(times[25]) (median), \(times[49]) (slowest of 50)")
                #expect(times[49] < .milliseconds(100))
            }
            await client.close()
        }
    }
}
