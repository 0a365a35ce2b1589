import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Testing

@Suite(.timeLimit(.minutes(5)))
struct DeadLetterActionTests {
    /// Stops an action at every step it takes, on either side of the broker's answer.
    @Test(arguments: BrokerKind.available, [DeadLetterQueue.Compartment.letters, .bin])
    func aMoveThatDiesAnywhereLosesNoLetter(kind: BrokerKind, from compartment: DeadLetterQueue.Compartment)
        async throws
    {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            let ids = ["a", "b", "c"]
            for death in MortalBroker.Death.allCases {
                var lastStep = 0
                var isComplete = false
                while !isComplete {
                    lastStep += 1
                    for id in ids { try await stage.writeLetter(id, with: broker) }
                    if compartment == .bin {
                        let letters = stage.letters(with: broker)
                        #expect(try await letters.discard(letters.select(.all)).done.count == 3)
                    }
                    let mortal = MortalBroker(try await stage.connect(), dies: death, at: lastStep)
                    let queue = stage.letters(compartment, with: mortal)
                    do {
                        let selection = try await queue.select(.all)
                        _ = compartment == .bin ? try await queue.restore(selection) : try await queue.retry(selection)
                        isComplete = mortal.isAlive
                    } catch BrokerError.closed {}
                    await mortal.close()
                    let places =
                        compartment == .bin
                        ? [stage.pool.deadLetterBin, stage.pool.deadLetterQueue]
                        : [stage.pool.deadLetterQueue, stage.pool.workQueue(.batch)]
                    // The broker takes back what a lost connection held in its own time.
                    try await eventually {
                        var count = 0
                        for place in places { count += try await broker.depth(of: place).messages }
                        return count >= 3
                    }
                    var found: [String] = []
                    for place in places {
                        found += try await stage.drain(place, with: broker).compactMap(\.properties.messageID)
                    }
                    #expect(Set(found) == Set(ids), "died at step \(lastStep), \(death)")
                    // One letter at most is in both places: the one whose removal was under way.
                    #expect(found.count <= (isComplete ? 3 : 4), "died at step \(lastStep), \(death)")
                }
                // A look and a move of three letters are no fewer steps than these.
                #expect(lastStep > 16)
            }
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aConnectionLostBetweenPublishAndRemovalIsMadeGoodInTheSameAction(kind: BrokerKind) async throws {
        guard kind == .inMemory else { return }
        try await Stage.play(kind) { stage in
            let base = stage.connectInMemory()
            try await base.declare(stage.pool.topology)
            let ids = ["a", "b", "c"]
            for id in ids { try await stage.writeLetter(id, with: base) }
            let losses = Losses()
            let broker = OrderingBroker(base, onAcknowledge: { if losses.next() == 2 { base.loseConnection() } })
            let outcome = try await stage.letters(with: broker).retry(.all)
            #expect(outcome.done.map(\.jobID) == ids && outcome.failures.isEmpty && outcome.missing == 0)
            #expect(try await stage.drain(stage.pool.workQueue(.batch), with: base).map(\.properties.messageID) == ids)
            #expect(try await base.depth(of: stage.pool.deadLetterQueue).messages == 0)
            await base.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aRetriedJobKeepsTheStoryOfItsFailures(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            let deadline: [String: HeaderValue] = [Wire.Header.deadline: 5, Wire.Header.traceParent: "00-ab-cd-01"]
            try await stage.writeLetter(
                "job-1", reason: "first", lane: .interactive, time: 1_600_000_000_000, headers: deadline, with: broker)
            let queue = stage.letters(with: broker)
            let letter = try #require(try await queue.letters().first)
            try await queue.retry(.all)
            let job = try #require(try await broker.get(queue: stage.pool.workQueue(.interactive)))
            let headers = job.properties.headers
            #expect(headers[Wire.Header.deadline] == nil && headers[Wire.Header.attempt] == nil)
            #expect(headers[Wire.Header.deathCode] == nil && headers[Wire.Header.traceParent] == "00-ab-cd-01")
            #expect(headers[Wire.Header.retryCount] == 1)
            try await broker.acknowledge(job)
            // It fails again, and again.
            for round in 2...11 {
                try await stage.writeLetter("job-1", reason: "failure \(round)", headers: headers, with: broker)
                let again = try #require(try await queue.letters().first)
                #expect(again.history.retryCount == 1 && again.history.failures.count == 1)
                let failure = again.history.failures[0]
                #expect(failure.reason == "first" && failure.letterID == letter.id && failure.attempts == 3)
                #expect(failure.operatorName == "ann@desk" && failure.lastTime == 1_600_000_000_000)
                #expect(failure.action == "retry" && failure.time == 1_700_000_000_000)
                try await broker.purge(queue: stage.pool.deadLetterQueue)
            }
            await broker.close()
        }
    }

    @Test func theStoryIsBoundedHoweverOftenAJobIsRetried() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            var headers: [String: HeaderValue] = [:]
            for round in 1...20 {
                let reason = "failure \(round) " + String(repeating: "x", count: 2000)
                try await stage.writeLetter("job-1", reason: reason, headers: headers, with: broker)
                try await stage.letters(with: broker).retry(.all)
                headers = try await stage.drain(stage.pool.workQueue(.batch), with: broker)[0].properties.headers
            }
            try await stage.writeLetter("job-1", headers: headers, with: broker)
            let history = try #require(try await stage.letters(with: broker).letters().first).history
            #expect(history.retryCount == 20 && history.failures.count == DeadLetterHistory.limit)
            #expect(history.failures[0].reason.hasPrefix("failure 20 ") && history.failures[0].reason.utf8.count <= 503)
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aDiscardedLetterComesBackAsItWas(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            // One that a worker wrote, and one that the broker dead-lettered itself.
            try await stage.writeLetter("worker's", code: "NOT_FOUND", lane: .interactive, time: 5000, with: broker)
            try await broker.publishJob(
                Sample.properties(jobID: "broker's", replyTo: "nowhere"), body: [9], pool: stage.pool, lane: .batch)
            let job = try #require(try await broker.get(queue: stage.pool.workQueue(.batch)))
            try await broker.reject(job, requeue: false)
            try await broker.wait(for: 2, in: stage.pool.deadLetterQueue)
            let (letters, bin) = (stage.letters(with: broker), stage.letters(.bin, with: broker))
            let before = try await letters.letters()
            try await letters.discard(letters.select(.all))
            #expect(try await letters.letters().isEmpty)
            let discarded = try await bin.letters()
            #expect(discarded.map(\.jobID) == before.map(\.jobID) && discarded.map(\.lane) == before.map(\.lane))
            #expect(discarded.allSatisfy { $0.discard?.operatorName == "ann@desk" })
            #expect(discarded.map(\.deaths) == before.map(\.deaths) && discarded[1].deaths.count == 1)
            try await bin.restore(bin.select(.jobs(["broker's"])))
            try await bin.restore(bin.select(.all))
            let after = try await letters.letters()
            #expect(Set(after.map(\.jobID)) == ["broker's", "worker's"] && after.allSatisfy { $0.discard == nil })
            for letter in after {
                let same = try #require(before.first { $0.jobID == letter.jobID })
                #expect(letter.header == same.header && letter.deaths == same.deaths && letter.lane == same.lane)
                #expect(letter.size == same.size)
            }
            #expect(try await bin.letters().isEmpty)
            await broker.close()
        }
    }

    @Test func whatIsInTheBinIsGoneWhenItsTimeIsUp() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            try await stage.writeLetter("a", with: broker)
            let (letters, bin) = (stage.letters(with: broker), stage.letters(.bin, with: broker))
            try await letters.discard(letters.select(.all))
            let selection = try await bin.select(.all)
            stage.clock.advance(by: Pool.binRetention - .seconds(1))
            #expect(try await bin.letters().count == 1)
            stage.clock.advance(by: .seconds(2))
            #expect(try await bin.restore(selection).missing == 1)
            #expect(try await bin.letters().isEmpty)
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func anEditedJobIsAnotherRequestOfTheSameJob(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            let body = try Sample.request().encode()
            for id in ["a", "b"] { try await stage.writeLetter(id, body: body, with: broker) }
            let queue = stage.letters(with: broker)
            let edit = try DeadLetterEdit(["prompt=a statue", "seed=99", "model_id=other"])
            let outcome = try await queue.edit(queue.select(.jobs(["a"])), edit)
            #expect(outcome.done.map(\.jobID) == ["a"])
            let job = try #require(try await broker.get(queue: stage.pool.workQueue(.batch)))
            let request = try PersonalizeRequest.decode(job.body)
            #expect(request.prompt == "a statue" && request.seed == 99 && request.modelID == "other")
            #expect(request.references == (try Sample.request().references) && request.iterations == 4)
            #expect(job.properties.messageID == "a" && job.properties.replyTo == "nowhere")
            let table = job.properties.headers[Wire.Header.earlierFailures]?.arrayValue?.first?.tableValue
            #expect(table?["action"] == "edit" && table?["edited-fields"] == ["prompt", "seed", "model_id"])
            try await broker.acknowledge(job)
            #expect(try await queue.letters().map(\.jobID) == ["b"])
            // What is no request cannot be edited, and stays.
            try await stage.writeLetter("broken", with: broker)
            let refused = try await queue.edit(queue.select(.jobs(["broken"])), edit)
            #expect(refused.done.isEmpty && refused.failures.map(\.entry.jobID) == ["broken"])
            #expect(try await queue.letters().map(\.jobID) == ["b", "broken"])
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func everyActionIsInTheAudit(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            for id in ["a", "b", "c"] { try await stage.writeLetter(id, code: "INTERNAL", with: broker) }
            let letters = stage.letters(by: "bob@lab", with: broker)
            try await letters.retry(.jobs(["b"]))
            try await letters.discard(letters.select(.code("internal")))
            for _ in 1...2 {
                var records: [DeadLetterAuditRecord] = []
                #expect(try await DeadLetterAudit(letters).forEach { records.append($0) } == 0)
                #expect(records.map(\.phase) == [.begun, .ended, .begun, .ended])
                #expect(records.map(\.action) == ["retry", "retry", "discard", "discard"])
                #expect(records.allSatisfy { $0.operatorName == "bob@lab" && $0.time == "2023-11-14T22:13:20Z" })
                #expect(records[0].jobs == ["b"] && records[0].id == records[1].id && records[0].id != records[2].id)
                #expect(records[2].jobs == ["a", "c"] && records[2].selection == "code=INTERNAL")
                #expect(records[3].count == 2 && records[3].done == 2 && records[3].failed == 0)
            }
            // Without an audit nothing is done.
            try await stage.writeLetter("d", with: broker)
            try await broker.delete(queue: stage.pool.auditQueue)
            await #expect(throws: BrokerError.self) { _ = try await letters.retry(.all) }
            #expect(try await letters.letters().map(\.jobID) == ["d"])
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func whatCannotBeSentStaysAndTheRestGoes(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            try await stage.writeLetter("a", with: broker)
            // Twice the same job, and one whose headers leave no room for its history.
            try await stage.writeLetter("a", reason: "again", with: broker)
            try await writeLongest(on: stage, with: broker)
            try await stage.writeLetter("b", with: broker)
            let outcome = try await stage.letters(with: broker).retry(.all)
            #expect(outcome.done.map(\.jobID) == ["a", "b"])
            #expect(outcome.failures.map(\.entry.jobID) == ["a", "long"])
            #expect(outcome.failures[0].reason == "another letter of the same job was sent")
            #expect(try await stage.letters(with: broker).letters().map(\.jobID) == ["a", "long"])
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func whatComesAfterTheSelectionIsLeftAlone(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            try await stage.writeLetter("early", with: broker)
            let queue = stage.letters(with: broker)
            let selection = try await queue.select(.all)
            try await stage.writeLetter("late", with: broker)
            #expect(try await queue.discard(selection).done.map(\.jobID) == ["early"])
            #expect(try await queue.discard(selection).missing == 1)
            #expect(try await queue.letters().map(\.jobID) == ["late"])
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aSlowRetryKeepsItsPaceAndGivesTheRestBackInBetween(kind: BrokerKind) async throws {
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            let ids = (1...6).map { "job-\($0)" }
            for id in ids { try await stage.writeLetter(id, with: broker) }
            try await stage.writeLetter("other", code: "UNAVAILABLE", with: broker)
            var queue = stage.letters(with: broker)
            queue.maximumHold = .zero
            let start = ContinuousClock.now
            let outcome = try await queue.retry(.code("INTERNAL"), DeadLetterPlan(pace: .milliseconds(20)))
            // Five pauses between six letters; how much longer it takes is the machine's affair.
            #expect(start.duration(to: .now) >= .milliseconds(100))
            #expect(outcome.done.map(\.jobID) == ids)
            #expect(try await queue.letters().map(\.jobID) == ["other"])
            await broker.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aBodyAboveTheLimitIsShownAsSuchAndNeverMovedWithoutIt(kind: BrokerKind) async throws {
        guard kind == .rabbitMQ else { return }
        try await Stage.play(kind) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            try await stage.writeLetter("large", body: [UInt8](repeating: 7, count: 5000), with: broker)
            let small = try await stage.connect(maximumBodySize: 1000)
            let queue = stage.letters(with: small)
            let (letter, body) = try #require(try await queue.letter(ofJob: "large"))
            #expect(letter.size == 5000 && body.omittedSize == 5000 && body.bytes.isEmpty)
            let outcome = try await queue.retry(.all)
            #expect(outcome.done.isEmpty && outcome.failures[0].reason.contains("5000 bytes"))
            #expect(try await stage.letters(with: broker).retry(.all).done.count == 1)
            await small.close()
            await broker.close()
        }
    }

    @Test func manyLettersAreHeldWithoutTheirBodies() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            for index in 1...1_200 { try await stage.writeLetter("job-\(index)", with: broker) }
            let queue = stage.letters(with: broker)
            let selection = try await queue.select(.all)
            #expect(selection.count == 1_200)
            #expect(try await queue.discard(selection).done.count == 1_200)
            var parts: [Int?] = []
            try await DeadLetterAudit(queue).forEach { if $0.phase == .begun { parts.append($0.part) } }
            #expect(parts == [1, 2])
            await broker.close()
        }
    }

    /// Writes a letter `long` whose headers fill their frame.
    private func writeLongest(on stage: Stage, with broker: any Broker) async throws {
        var count = 131_000
        while true {
            do {
                let note = HeaderValue.string(String(repeating: "x", count: count))
                return try await stage.writeLetter("long", headers: ["note": note], with: broker)
            } catch BrokerError.headerTooLarge {
                count -= 20
            }
        }
    }
}
