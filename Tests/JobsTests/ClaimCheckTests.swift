import Broker
import BrokerTestSupport
import Jobs
import Messages
import ObjectStores
import RectifIDClient
import Synchronization
import Testing

/// Pictures that go through a store, in both directions.
@Suite(.timeLimit(.minutes(2)))
struct ClaimCheckTests {
    private func configuration(
        _ stage: Stage, _ store: any ObjectStore, threshold: Int = ClaimCheck.standardThreshold
    ) -> WorkerConfiguration {
        var configuration = stage.configuration()
        configuration.claimCheck = ClaimCheck(store, threshold: threshold)
        return configuration
    }

    private func request(key: String, iterations: Int = 2) throws -> PersonalizeRequest {
        var request = try Sample.request(iterations: iterations)
        request.references = [Reference(picture: .key(key))]
        return request
    }

    @Test(arguments: BrokerKind.available)
    func aReferenceComesFromTheStoreAndALargeResultGoesThere(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let store = ScriptedStore()
            store.contents["references/a.png"] = try Sample.picture()
            let client = try await stage.client()
            try await stage.withWorker(
                ScriptedPersonalizer(side: 64), configuration: configuration(stage, store, threshold: 100)
            ) { _ in
                let result = try await client.submit(try request(key: "references/a.png"), jobID: "job:1").result()
                #expect(result.status == .ok)
                guard case .key(let key)? = result.picture?.content else {
                    Issue.record("not stored: \(result.status)")
                    return
                }
                #expect(key.hasPrefix("results/2") && key.hasSuffix("/job_3a1.png"))
                let claimed = try await ClaimCheck(store).fetch(key)
                #expect(claimed == store.contents[key] && claimed.starts(with: [0x89, 0x50]))
                #expect(store.calls == [.get("references/a.png"), .put(key), .get(key)])
            }
            await client.close()
        }
    }

    /// Previews stay in their messages also where there is a store, and no job fails for one.
    @Test(arguments: BrokerKind.available, [64 << 20, 2000])
    func aPreviewThatIsTooLargeForAMessageIsLeftOut(kind: BrokerKind, limit: Int) async throws {
        try await Stage.play(kind) { stage in
            let store = ScriptedStore()
            let client = try await stage.client()
            let broker = try await stage.connect(maximumBodySize: limit)
            try await stage.withWorker(
                ScriptedPersonalizer(side: 256), broker: broker,
                configuration: configuration(stage, store, threshold: 100)
            ) { _ in
                var request = try Sample.request(iterations: 2)
                request.previewInterval = 1
                let submission = try await client.submit(request)
                var previews: [Int] = []
                for try await event in submission {
                    switch event.body {
                    case .accepted: break
                    case .progress(let progress): previews.append(progress.preview.count)
                    case .result(let result): #expect(result.status == .ok)
                    }
                }
                #expect(previews.count == 2)
                // Each would not fit, and where there is room each is there.
                #expect(previews.allSatisfy { limit == 2000 ? $0 == 0 : $0 > 2000 }, "\(previews)")
                // Only the result.
                #expect(store.calls.count == 1)
            }
            await client.close()
        }
    }

    @Test func aResultWithinTheThresholdStaysInItsMessage() async throws {
        try await Stage.play(.inMemory) { stage in
            let store = ScriptedStore()
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer(), configuration: configuration(stage, store)) { _ in
                let result = try await client.submit(try Sample.request()).result()
                guard case .image? = result.picture?.content else {
                    Issue.record("stored")
                    return
                }
            }
            #expect(store.calls.isEmpty)
            await client.close()
        }
    }

    @Test(arguments: [
        (ObjectStoreError?.none, StatusCode.notFound, "key 'a'"),
        (.tooLarge(try ObjectKey("a"), bytes: 99, limit: 9), .invalidArgument, "99 bytes"),
        (.invalidKey("a", allowed: "short names"), .invalidArgument, "short names"),
    ])
    func whatIsWrongWithAKeyIsToldAtOnce(error: ObjectStoreError?, code: StatusCode, words: String) async throws {
        try await Stage.play(.inMemory) { stage in
            let store = ScriptedStore { (_) async throws(ObjectStoreError) in if let error { throw error } }
            let client = try await stage.client()
            let personalizer = ScriptedPersonalizer()
            try await stage.withWorker(personalizer, configuration: configuration(stage, store)) { _ in
                let result = try await client.submit(try request(key: "a")).result()
                #expect(result.status.code == code && !result.status.isRetryable && result.attempt == 1)
                guard case .fieldViolation(let field, _, _)? = result.status.details.first else {
                    Issue.record("\(result.status.details)")
                    return
                }
                #expect(field == "references[0].key")
                if code == .notFound {
                    #expect(result.status.details.contains(.resourceInfo(type: "key", name: "a")))
                } else {
                    #expect(result.status.message.contains(words))
                }
            }
            #expect(personalizer.beginnings == 0)
            let broker = try await stage.connect()
            try await broker.wait(for: 1, in: stage.pool.deadLetterQueue)
            await broker.close()
            await client.close()
        }
    }

    @Test func withoutAStoreAKeyIsRefusedAtOnce() async throws {
        try await Stage.play(.inMemory) { stage in
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer()) { _ in
                let result = try await client.submit(try request(key: "a")).result()
                #expect(result.status.code == .failedPrecondition)
                #expect(result.status.details == [.errorInfo(reason: "NO_STORE")])
            }
            await client.close()
        }
    }

    @Test func aStoreThatIsAwayIsTriedAgainLater() async throws {
        try await Stage.play(.inMemory) { stage in
            let failures = Failures(1)
            let store = ScriptedStore { (_) async throws(ObjectStoreError) in
                if failures.next() { throw .unavailable("secret place") }
            }
            store.contents["a"] = try Sample.picture()
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer(), configuration: configuration(stage, store)) { worker in
                let submission = try await client.submit(try request(key: "a"))
                try await eventually { worker.health.counts.retried == 1 }
                stage.passRetryDelay()
                let result = try await submission.result()
                #expect(result.status == .ok && result.attempt == 2)
            }
            await client.close()
        }
    }

    @Test(arguments: [
        (ObjectStoreError.accessDenied("key AKID"), "STORE_ACCESS_DENIED"),
        (.misconfigured("http://10.0.0.7"), "STORE_MISCONFIGURED"),
        (.unavailable("http://10.0.0.7"), "STORE_UNAVAILABLE"),
    ])
    func clientsAreNotToldAboutTheStore(error: ObjectStoreError, reason: String) async throws {
        try await Stage.play(.inMemory) { stage in
            let store = ScriptedStore { (_) async throws(ObjectStoreError) in throw error }
            var configuration = configuration(stage, store)
            configuration.maximumAttempts = 1
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer(), configuration: configuration) { _ in
                let status = try await client.submit(try request(key: "a")).result().status
                #expect(status.code == .unavailable && status.isRetryable)
                #expect(status.details == [.errorInfo(reason: reason)])
                #expect(!status.message.contains("AKID") && !status.message.contains("10.0.0.7"))
            }
            await client.close()
        }
    }

    @Test func aCancelledJobDoesNotWaitForTheStore() async throws {
        try await Stage.play(.inMemory) { stage in
            let store = hangingStore()
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer(), configuration: configuration(stage, store)) { _ in
                let submission = try await client.submit(try request(key: "a"), jobID: "job")
                try await eventually { store.calls == [.get("a")] }
                _ = try await client.cancel(jobID: "job")
                #expect(try await submission.result().status.code == .cancelled)
            }
            await client.close()
        }
    }

    @Test func aWorkerThatStopsDoesNotWaitForTheStore() async throws {
        try await Stage.play(.inMemory) { stage in
            let store = hangingStore()
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer(), configuration: configuration(stage, store)) { _ in
                _ = try await client.submit(try request(key: "a"))
                try await eventually { store.calls == [.get("a")] }
            }
            let broker = try await stage.connect()
            try await broker.wait(for: 1, in: stage.pool.workQueue(.interactive))
            await broker.close()
            await client.close()
        }
    }

    /// Never answers; ends when its task is cancelled.
    private func hangingStore() -> ScriptedStore {
        ScriptedStore { (_) async throws(ObjectStoreError) in
            do { try await Task.sleep(for: .seconds(3600)) } catch { throw .cancelled }
        }
    }

    @Test func picturesThatAreTooManyGoToTheStoreLargestFirst() async throws {
        let store = ScriptedStore()
        let sizes = [300, 500, 100, 500]
        let pictures = sizes.map { size in [0xFF, 0xD8] + [UInt8](repeating: 7, count: size - 2) }
        var request = try Sample.request()
        request.references = pictures.map { Reference(picture: .image($0)) }
        let sent = try await ClaimCheck(store, threshold: 400).deposit(request, jobID: "j/1", at: 1_795_000_000_000)
        let folder = "references/2026-11-18/j_2f1"
        #expect(
            sent.references.map(\.picture) == [
                .image(pictures[0]), .key("\(folder)/1.jpg"), .image(pictures[2]), .key("\(folder)/3.jpg"),
            ])
        #expect(store.contents == ["\(folder)/1.jpg": pictures[1], "\(folder)/3.jpg": pictures[3]])
        try sent.validate()
        // Nothing to do where all fit.
        #expect(try await ClaimCheck(store, threshold: 1400).deposit(request, jobID: "j", at: 0) == request)
    }

    /// The contract and the stores state the rule each on its own.
    @Test(arguments: [
        "a", "a/b.jpg", "..a", "a/../b", "", "/", "a/", "a b", "ä", "a\\b", "http://a", "~", "a//b", "._-",
        String(repeating: "k", count: 512), String(repeating: "k", count: 513),
    ])
    func keysOfMessagesAreKeysOfStores(text: String) throws {
        var request = try Sample.request()
        request.references[0].picture = .key(text)
        let isValid = (try? request.validate()) != nil
        #expect(isValid == ObjectKey.isKey(text))
    }

    @Test func daysAreTheCalendars() throws {
        let days: [(Int64, String)] = [
            (0, "1970-01-01"), (951_782_399, "2000-02-28"), (951_782_400, "2000-02-29"), (951_868_800, "2000-03-01"),
            (1_709_164_800, "2024-02-29"), (1_767_225_599, "2025-12-31"), (1_767_225_600, "2026-01-01"),
            (4_107_542_400, "2100-03-01"), (253_402_300_799, "9999-12-31"), (253_402_300_800, "undated"),
            (-1, "undated"),
            (.max, "undated"),
        ]
        for (seconds, day) in days {
            #expect(try ClaimKey.resume(ofJob: "j", at: seconds).text == "resume/\(day)/j.pb")
        }
        #expect(try ClaimKey.result(ofJob: "j", at: nil, .png).text == "results/undated/j.png")
    }
}
