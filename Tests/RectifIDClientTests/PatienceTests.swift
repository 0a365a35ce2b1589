import BrokerTestSupport
import RectifIDClient
import Testing

/// Deadlines, full queues, workers that are not there.
@Suite(.timeLimit(.minutes(1)))
struct PatienceTests {
    @Test(arguments: BrokerKind.available)
    func aJobThatNobodyAnswersByItsDeadlineIsGivenUp(kind: BrokerKind) async throws {
        try await ClientStage.play(kind) { stage, _ in
            let clock = ManualClock()
            let client = try await stage.client(configuration(clock))
            let task = Task { () throws(ClientError) in
                try await client.personalize(ClientStage.request, within: .seconds(10), jobID: "slow")
            }
            let watch = Task {
                // Until the job is given up; the clock is only slept on once the job is on its way.
                while !Task.isCancelled {
                    clock.advance(by: .milliseconds(100))
                    await Task.yield()
                }
            }
            await #expect(throws: ClientError.deadlineExceeded(jobID: "slow")) { try await task.value }
            watch.cancel()
            #expect(clock.now.offset >= .seconds(13))
            await client.close()
        }
    }

    @Test func anAnswerWithinTheGraceCounts() async throws {
        try await ClientStage.play(.inMemory) { stage, responder in
            let clock = ManualClock()
            let client = try await stage.client(configuration(clock))
            let submission = try await client.submit(ClientStage.request, deadline: 11_000)
            clock.advance(by: .seconds(12))
            let late = Status(.deadlineExceeded, "after iteration 3")
            try await responder.reply(.failure(late), number: 0, to: try await responder.next())
            #expect(try await submission.result().status == late)
            await client.close()
        }
    }

    @Test(arguments: [999, 1000] as [UnixMilliseconds])
    func aDeadlineThatHasPassedSendsNothing(deadline: UnixMilliseconds) async throws {
        try await ClientStage.play(.inMemory) { stage, responder in
            let client = try await stage.client(configuration(ManualClock()))
            let error = await #expect(throws: ClientError.self) {
                _ = try await client.submit(ClientStage.request, deadline: deadline)
            }
            #expect(error?.code == .deadlineExceeded && error?.isRetryable == false)
            #expect(try await responder.broker.depth(of: stage.pool.workQueue(.interactive)).messages == 0)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aFullLaneIsAnErrorThatSaysSoAndPasses(kind: BrokerKind) async throws {
        try await ClientStage.play(kind, maximumLength: 2) { stage, responder in
            let client = try await stage.client()
            // A quorum queue notices a little late that it is full.
            var refusal: ClientError?
            for _ in 0..<100 where refusal == nil {
                do throws(ClientError) {
                    _ = try await client.submit(ClientStage.request, lane: .batch)
                } catch {
                    refusal = error
                }
            }
            #expect(refusal == .queueFull(lane: "batch"))
            #expect(refusal?.code == .resourceExhausted && refusal?.isRetryable == true)
            #expect(refusal?.details == [.errorInfo(reason: "QUEUE_FULL")])
            // The other lane is not concerned, and neither is this one when workers have taken something.
            _ = try await client.submit(ClientStage.request, lane: .interactive)
            try await responder.broker.purge(queue: stage.pool.workQueue(.batch))
            _ = try await client.submit(ClientStage.request, lane: .batch)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aPoolWithoutQueuesIsAnErrorThatSaysWhatToDo(kind: BrokerKind) async throws {
        try await ClientStage.play(kind) { stage, responder in
            let client = try await stage.client()
            for lane in Lane.allCases { try await responder.broker.delete(queue: stage.pool.workQueue(lane)) }
            let error = await #expect(throws: ClientError.self) { _ = try await client.submit(ClientStage.request) }
            #expect(error?.code == .unavailable && error?.message.contains("start a worker") == true)
            await client.close()
        }
    }

    @Test(arguments: BrokerKind.available)
    func aClientCanDeclareThePoolItself(kind: BrokerKind) async throws {
        try await ClientStage.play(kind) { stage, responder in
            for lane in Lane.allCases { try await responder.broker.delete(queue: stage.pool.workQueue(lane)) }
            var configuration = ClientConfiguration()
            configuration.declaresTopology = true
            let client = try await stage.client(configuration)
            _ = try await client.submit(ClientStage.request)
            _ = try await responder.next()
            await client.close()
        }
    }

    @Test(.enabled(if: BrokerKind.url != nil))
    func aClientWithAConnectionOfItsOwnClosesIt() async throws {
        let url = try #require(BrokerKind.url)
        try await ClientStage.play(.rabbitMQ) { stage, responder in
            let client = try await PersonalizationClient.connect(url: url, pool: stage.pool)
            async let answer = client.personalize(ClientStage.request, within: .seconds(30))
            try await responder.reply(.picture(), number: 0, to: try await responder.next())
            #expect(try await answer.bytes == [1, 2, 3])
            await client.close()
            await #expect(throws: ClientError.closed) { _ = try await client.submit(ClientStage.request) }
        }
    }

    @Test func aBrokerThatIsNotThereIsAnError() async throws {
        // Port 1 is tcpmux, which nothing runs.
        let error = await #expect(throws: ClientError.self) {
            _ = try await PersonalizationClient.connect(url: "amqp://127.0.0.1:1/", within: .milliseconds(200))
        }
        #expect(error?.code == .unavailable && error?.isRetryable == true)
        await #expect(throws: ClientError.self) { _ = try await PersonalizationClient.connect(url: "http://host/") }
    }

    /// Stays at a second after 1970 for ever, while the clock moves; the grace is 3 s.
    private func configuration(_ clock: ManualClock) -> ClientConfiguration {
        var configuration = ClientConfiguration()
        configuration.deadlineGrace = .seconds(3)
        configuration.clock = clock
        configuration.wallTime = WallTime { 1000 }
        return configuration
    }
}
