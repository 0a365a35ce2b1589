import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import ServiceLifecycle
import Testing

@Suite(.timeLimit(.minutes(2)))
struct InterruptionTests {
    @Test(arguments: BrokerKind.available, [0, 1, 2])
    func anotherWorkerFinishesAnInterruptedJobToTheSameResult(kind: BrokerKind, iteration: Int) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            var request = try Sample.request()
            request.progressInterval = 1
            var undisturbed: PersonalizeResult?
            try await stage.withWorker(ScriptedPersonalizer(), configuration: stage.configuration("calm")) { _ in
                undisturbed = try await client.submit(request).result()
            }
            let gate = PassGate(atPass: iteration)
            let gated = ScriptedPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) })
            var submission: Submission?
            try await stage.withWorker(gated, configuration: stage.configuration("first")) { worker in
                submission = try await client.submit(request)
                await gate.isReached()
                worker.drain()
                gate.open()
                try await eventually { worker.health.counts.handedOver == 1 }
            }
            try await stage.withWorker(ScriptedPersonalizer(), configuration: stage.configuration("second")) { _ in
                guard let submission, var expected = undisturbed else { throw ClientError.closed }
                var events: [PersonalizeEvent] = []
                for try await event in submission { events.append(event) }
                // The pass at the gate was completed: no iteration is computed twice, no number given twice.
                #expect(events.map(\.sequence) == Array(0...UInt64(6)))
                #expect(iterations(of: events) == [1, 2, 3, 4])
                #expect(acceptances(of: events).map(\.firstIteration) == [0, iteration + 1])
                #expect(acceptances(of: events).map(\.attempt) == [1, 1])
                guard case .result(let result)? = events.last?.body else { throw ClientError.closed }
                expected.workerID = stage.configuration("second").workerID
                expected.timings = result.timings
                #expect(result == expected)
                // The times of both workers.
                #expect(result.timings.first?.count == 5)
            }
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aJobOnItsLastPassIsFinishedInstead(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            // Asked to stop during the last iteration: what is left is the pass that makes the picture.
            let gate = PassGate(atPass: 3)
            let personalizer = ScriptedPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) })
            try await stage.withWorker(personalizer) { worker in
                let submission = try await client.submit(try Sample.request())
                await gate.isReached()
                worker.drain()
                gate.open()
                #expect(try await submission.result().status == .ok)
                #expect(worker.health.counts.handedOver == 0)
            }
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aGracefulShutdownLeavesWaitingJobsInTheirQueue(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let gate = PassGate(atPass: 1)
            let personalizer = ScriptedPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) })
            let broker = try await stage.connect()
            let worker = JobWorker(
                broker: broker, personalizer: personalizer, configuration: stage.configuration(), logger: .silent)
            let group = ServiceGroup(services: [worker], logger: .silent)
            let life = Task { try await group.run() }
            _ = try await client.submit(try Sample.request())
            await gate.isReached()
            for _ in 1...3 { _ = try await client.submit(try Sample.request()) }
            await group.triggerGracefulShutdown()
            try await eventually { worker.health.state == .draining }
            gate.open()
            try await life.value
            await broker.close()
            #expect(personalizer.beginnings == 1)

            let probe = try await stage.connect()
            try await probe.wait(for: 4, in: stage.pool.workQueue(.interactive))
            var resumed: [Int] = []
            while let delivery = try await probe.get(queue: stage.pool.workQueue(.interactive)) {
                let request = try PersonalizeRequest.decode(delivery.body)
                if let state = request.resume {
                    resumed.append(state.nextIteration)
                    #expect(state.interruptions == 1 && state.seed == 7 && state.losses.count == 2)
                }
            }
            #expect(resumed == [2])
            await probe.close()
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aJobHeldForTooLongIsHandedBackAndGoesOn(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            var configuration = stage.configuration()
            configuration.maximumHold = .zero
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer, configuration: configuration) { worker in
                let result = try await client.submit(try Sample.request()).result()
                #expect(result.status == .ok && result.attempt == 1 && result.losses.count == 4)
                // One iteration per hold, and the last one goes with the pass that makes the picture.
                #expect(worker.health.counts.handedOver == 3 && personalizer.beginnings == 4)
            }
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aStateOfOtherWeightsIsNotTakenUp(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let other = ScriptedPersonalizer(hash: String(repeating: "f", count: 64))
            var request = try Sample.request()
            request.resume = ResumeState(
                nextIteration: 3,
                offsets: [try WireTensor(shape: [1, 2, 2, 3], values: [Float](repeating: 9, count: 12))],
                losses: [1, 1, 1], similarities: [0, 0, 0], seed: 7, modelHash: ScriptedPersonalizer.hash)
            request.steps = 1
            try await stage.withWorker(other) { _ in
                var first: [Int] = []
                for try await event in try await client.submit(request) {
                    if case .accepted(let accepted) = event.body { first.append(accepted.firstIteration) }
                    if case .result(let result) = event.body { #expect(result.losses.first != 1) }
                }
                #expect(first == [0])
            }
            await client.close()
        }
    }

    /// A client that is gone is waited for, but not by a worker that has to end.
    @Test(arguments: BrokerKind.available)
    func whatCannotLeaveInTimeIsLeftToTheBroker(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            var configuration = stage.configuration()
            configuration.replyPatience = .seconds(3600)
            configuration.drainGrace = .milliseconds(50)
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer, configuration: configuration) { _ in
                try await broker.publishJob(
                    Sample.properties(jobID: "lonely", replyTo: "gone-" + stage.pool.name),
                    body: try Sample.request(iterations: 0).encode(), pool: stage.pool)
                try await eventually { personalizer.beginnings == 1 }
            }
            try await broker.wait(for: 1, in: stage.pool.workQueue(.interactive))
            await broker.close()
        }
    }

    private func iterations(of events: [PersonalizeEvent]) -> [Int] {
        events.compactMap { if case .progress(let progress) = $0.body { progress.iteration } else { nil } }
    }

    private func acceptances(of events: [PersonalizeEvent]) -> [PersonalizeAccepted] {
        events.compactMap { if case .accepted(let accepted) = $0.body { accepted } else { nil } }
    }
}
