import Broker
import BrokerTestSupport
import Jobs
import Messages
import ObjectStores
import Raster
import RectifIDClient
import Synchronization
import Testing

/// A picture is stored before its reply, the reply before the acknowledgement; and what a failure at each point leaves.
@Suite(.timeLimit(.minutes(2)))
struct ClaimOrderTests {
    private func configuration(_ stage: Stage, _ store: any ObjectStore) -> WorkerConfiguration {
        var configuration = stage.configuration()
        configuration.claimCheck = ClaimCheck(store, threshold: 0)
        return configuration
    }

    @Test func theObjectIsThereBeforeTheReplyAndTheReplyBeforeTheAcknowledgement() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = OrderingBroker(stage.connectInMemory())
            let atPut = Mutex<[[String]]>([])
            let store = ScriptedStore { (_) async throws(ObjectStoreError) in
                atPut.withLock { $0.append(broker.steps) }
            }
            let client = try await stage.client()
            try await stage.withWorker(
                ScriptedPersonalizer(), broker: broker, configuration: configuration(stage, store)
            ) { worker in
                _ = try await client.submit(try Sample.request()).result()
                try await eventually { worker.health.jobs.isEmpty }
            }
            #expect(atPut.withLock { $0 } == [["mandatory event"]])
            #expect(broker.steps == ["mandatory event", "mandatory result", "acknowledged"])
            await client.close()
        }
    }

    @Test func aPictureThatCannotBeStoredIsTriedAgainWithItsLastPassAlone() async throws {
        try await Stage.play(.inMemory) { stage in
            let failures = Failures(1)
            let store = ScriptedStore { (_) async throws(ObjectStoreError) in
                if failures.next() { throw .unavailable("gone") }
            }
            let passes = Mutex<[Int]>([])
            let personalizer = ScriptedPersonalizer(onPass: { (pass) throws(Status) in
                passes.withLock { $0.append(pass) }
            })
            let broker = OrderingBroker(stage.connectInMemory())
            let client = try await stage.client()
            try await stage.withWorker(
                personalizer, broker: broker, configuration: configuration(stage, store)
            ) { worker in
                let submission = try await client.submit(try Sample.request(iterations: 3))
                try await eventually { worker.health.counts.retried == 1 }
                #expect(
                    broker.steps == [
                        "mandatory event", "mandatory \(stage.pool.retryExchange(.seconds(5)))", "acknowledged",
                    ])
                stage.passRetryDelay()
                let result = try await submission.result()
                #expect(result.status == .ok && result.attempt == 2 && result.losses.count == 3)
                let stored = try #require(store.contents.values.first)
                #expect(stored == (try uninterrupted(iterations: 3)))
            }
            #expect(passes.withLock { $0 } == [0, 1, 2, 3, 3])
            await client.close()
        }
    }

    /// The picture as a worker without a store makes it.
    private func uninterrupted(iterations: Int) throws -> [UInt8] {
        let job = PersonalizationJob(pictures: [], request: try Sample.request(iterations: iterations), seed: 7)
        var run = try ScriptedPersonalizer().begin(job, resuming: nil)
        while let pass = try run.next() {
            if pass.isLast { return try pass.picture().encode(.png, metadata: run.metadata) }
        }
        return []
    }

    @Test func aPictureThatCanNeverBeStoredEndsAsADeadLetterWithItsState() async throws {
        try await Stage.play(.inMemory) { stage in
            let store = ScriptedStore { (_) async throws(ObjectStoreError) in throw .accessDenied("no") }
            var configuration = configuration(stage, store)
            configuration.maximumAttempts = 1
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer(), configuration: configuration) { _ in
                let result = try await client.submit(try Sample.request(iterations: 3)).result()
                #expect(result.status.code == .unavailable)
                #expect(result.status.details == [.errorInfo(reason: "STORE_ACCESS_DENIED")])
            }
            let broker = try await stage.connect()
            try await broker.wait(for: 1, in: stage.pool.deadLetterQueue)
            let letter = try #require(try await broker.get(queue: stage.pool.deadLetterQueue))
            #expect(try PersonalizeRequest.decode(letter.body).resume?.nextIteration == 3)
            await broker.close()
            await client.close()
        }
    }

    @Test func aWorkerLostBetweenObjectAndAcknowledgementLeavesOneObject() async throws {
        try await Stage.play(.inMemory) { stage in
            let base = stage.connectInMemory()
            let losses = Failures(1)
            let broker = OrderingBroker(base) { if losses.next() { base.loseConnection() } }
            let store = ScriptedStore()
            let client = try await stage.client()
            var configuration = configuration(stage, store)
            // As another worker would, which does not have the answer.
            configuration.keptAnswerBytes = 0
            try await stage.withWorker(ScriptedPersonalizer(), broker: broker, configuration: configuration) { worker in
                let result = try await client.submit(try Sample.request(), jobID: "twice").result()
                try await eventually { store.calls.count == 2 && worker.health.jobs.isEmpty }
                guard case .key(let key)? = result.picture?.content else {
                    Issue.record("not stored")
                    return
                }
                #expect(store.calls == [.put(key), .put(key)] && store.contents.count == 1)
            }
            await client.close()
        }
    }

    @Test func aStateTooLargeForAMessageGoesThroughTheStore() async throws {
        try await Stage.play(.inMemory) { stage in
            let store = ScriptedStore()
            let client = try await stage.client()
            let request = try Sample.request(iterations: 4)
            var tight = configuration(stage, store)
            tight.messageLimits = MessageLimits(maximumBytes: request.encode().count + 60)
            let gate = PassGate(atPass: 2)
            let submission: Submission
            submission = try await client.submit(request, jobID: "long")
            try await stage.withWorker(
                ScriptedPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) }), configuration: tight
            ) { worker in
                await gate.isReached()
                worker.drain()
                gate.open()
            }
            let states = store.contents.keys.filter { $0.hasPrefix("resume/") }
            #expect(states.count == 1)
            let passes = Mutex<[Int]>([])
            let second = ScriptedPersonalizer(onPass: { (pass) throws(Status) in passes.withLock { $0.append(pass) } })
            try await stage.withWorker(second, configuration: tight) { worker in
                let result = try await submission.result()
                #expect(result.status == .ok && result.attempt == 1 && result.losses.count == 4)
                try await eventually { worker.health.jobs.isEmpty }
            }
            #expect(passes.withLock { $0 } == [3, 4])
            // The state is gone, the picture is what it would have been.
            #expect(store.contents.count == 1)
            #expect(store.contents.values.first == (try uninterrupted(iterations: 4)))
            await client.close()
        }
    }

    @Test func aStateThatIsLostStartsTheJobAgain() async throws {
        try await Stage.play(.inMemory) { stage in
            let store = ScriptedStore()
            store.contents = ["resume/broken": [1, 2, 3], "precious": [4]]
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer(), configuration: configuration(stage, store)) { worker in
                for key in ["resume/none", "resume/broken", "precious"] {
                    var request = try Sample.request(iterations: 3)
                    request.resumeKey = key
                    let result = try await client.submit(request).result()
                    #expect(result.status == .ok && result.losses.count == 3)
                }
                try await eventually { worker.health.jobs.isEmpty }
            }
            // Keys that come with a message delete nothing but the job's own state.
            #expect(!store.calls.contains { if case .delete = $0 { true } else { false } })
            #expect(store.contents["precious"] == [4])
            await client.close()
        }
    }

    @Test func withoutAStoreALargeResultIsSaidToNeedOne() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = try await stage.connect(maximumBodySize: 4000)
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer(side: 512), broker: broker) { _ in
                var request = try Sample.request()
                request.output = .jpeg(quality: 100)
                let result = try await client.submit(request).result()
                #expect(result.status.code == .internal && result.status.message.contains("--store"))
            }
            await client.close()
        }
    }
}
