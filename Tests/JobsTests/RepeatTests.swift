import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Testing

/// The same job id twice.
@Suite(.timeLimit(.minutes(2)))
struct RepeatTests {
    /// Lets a worker work that takes two jobs at a time and holds them at a pass until the gate opens.
    ///
    /// - Returns: How many jobs it has begun.
    @discardableResult
    private func withGatedWorker(
        _ id: String = "worker-1", atPass pass: Int, on stage: Stage, _ body: (JobWorker, PassGate) async throws -> Void
    ) async throws -> Int {
        let gate = PassGate(atPass: pass)
        let personalizer = ScriptedPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) })
        var configuration = stage.configuration(id)
        configuration.slots = 2
        try await stage.withWorker(personalizer, configuration: configuration) { worker in
            try await body(worker, gate)
        }
        return personalizer.beginnings
    }

    @Test(arguments: BrokerKind.available)
    func aSecondRequestForARunningJobGetsItsResult(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let beginnings = try await withGatedWorker(atPass: 2, on: stage) { worker, gate in
                var request = try Sample.request()
                request.progressInterval = 1
                let first = try await client.submit(request, jobID: "once")
                await gate.isReached()
                let second = try await client.submit(request, jobID: "once")
                var events = second.makeAsyncIterator()
                guard case .accepted(let accepted)? = try await events.next()?.body else { throw ClientError.closed }
                #expect(accepted.firstIteration == 0)
                gate.open()
                var iterations: [Int] = []
                var result: PersonalizeResult?
                while let event = try await events.next() {
                    if case .progress(let progress) = event.body { iterations.append(progress.iteration) }
                    if case .result(let last) = event.body { result = last }
                }
                #expect(iterations == [3, 4])
                #expect(try await first.result() == result && result?.status == .ok)
                try await eventually { worker.health.counts.succeeded == 2 }
            }
            #expect(beginnings == 1)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aJobThatHasFinishedIsAnsweredAgain(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer) { worker in
                let first = try await client.submit(try Sample.request(), jobID: "once").result()
                try await eventually { worker.health.jobs.isEmpty }
                let second = try await client.submit(try Sample.request(), jobID: "once").result()
                #expect(first == second && first.status == .ok)
            }
            #expect(personalizer.beginnings == 1)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func anotherWorkerMakesTheSamePicture(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            var request = try Sample.request()
            request.seed = nil
            var pictures: [ResultPicture?] = []
            for (worker, id) in [("first", "job"), ("second", "job"), ("third", "other")] {
                try await stage.withWorker(ScriptedPersonalizer(), configuration: stage.configuration(worker)) { _ in
                    pictures.append(try await client.submit(request, jobID: id).result().picture)
                }
            }
            #expect(pictures[0] != nil && pictures[0] == pictures[1] && pictures[0] != pictures[2])
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func anIDThatStandsForAnotherRequestIsRefused(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let beginnings = try await withGatedWorker(atPass: 1, on: stage) { worker, gate in
                let first = try await client.submit(try Sample.request(), jobID: "mine")
                await gate.isReached()
                var other = try Sample.request()
                other.prompt = "something else"
                let running = try await client.submit(other, jobID: "mine").result()
                #expect(running.status.code == .alreadyExists && !running.status.isRetryable)
                #expect(running.status.details.contains(.errorInfo(reason: "JOB_ID_REUSED")))
                gate.open()
                #expect(try await first.result().status == .ok)
                try await eventually { worker.health.jobs.isEmpty }
                let finished = try await client.submit(other, jobID: "mine").result()
                #expect(finished.status.code == .alreadyExists)
            }
            #expect(beginnings == 1)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aJobThatHasFailedMayBeSentAgainPutRight(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer()) { worker in
                var wrong = try Sample.request()
                wrong.modelID = "no-such-model"
                #expect(try await client.submit(wrong, jobID: "again").result().status.code == .notFound)
                try await eventually { worker.health.jobs.isEmpty }
                let right = try await client.submit(try Sample.request(), jobID: "again").result()
                #expect(right.status == .ok)
            }
            await client.close()
        }
    }

    /// Many of the same: they must not take all the places in which a worker holds requests.
    @Test(arguments: BrokerKind.available)
    func manyRequestsForARunningJobDoNotKeepOthersAway(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            let beginnings = try await withGatedWorker(atPass: 2, on: stage) { worker, gate in
                var submissions = [try await client.submit(try Sample.request(), jobID: "popular")]
                await gate.isReached()
                for _ in 0..<20 { submissions.append(try await client.submit(try Sample.request(), jobID: "popular")) }
                // One without that pass.
                let other = try await client.submit(try Sample.request(iterations: 1), jobID: "other").result()
                #expect(other.status == .ok)
                gate.open()
                let first = try await submissions[0].result()
                try await eventually { worker.health.jobs.isEmpty }
                for submission in submissions.dropFirst() {
                    stage.passRetryDelay()
                    #expect(try await submission.result() == first)
                }
            }
            #expect(beginnings == 2)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func requestsForAnInterruptedJobAreHandedOverTogether(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let client = try await stage.client()
            var submissions: [Submission] = []
            try await withGatedWorker("first", atPass: 1, on: stage) { worker, gate in
                submissions.append(try await client.submit(try Sample.request(), jobID: "moved"))
                await gate.isReached()
                submissions.append(try await client.submit(try Sample.request(), jobID: "moved"))
                var events = submissions[1].makeAsyncIterator()
                _ = try await events.next()
                worker.drain()
                gate.open()
                try await eventually { worker.health.counts.handedOver == 2 }
            }
            let second = ScriptedPersonalizer()
            try await stage.withWorker(second, configuration: stage.configuration("second")) { _ in
                let results = [try await submissions[0].result(), try await submissions[1].result()]
                #expect(results[0] == results[1] && results[0].status == .ok && results[0].losses.count == 4)
            }
            #expect(second.beginnings == 1)
            await client.close()
        }
    }
}
