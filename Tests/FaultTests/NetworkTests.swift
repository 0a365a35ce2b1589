import Broker
import BrokerTestSupport
import Foundation
import Synchronization
import Testing

/// What a network can do to the connections of ``RabbitMQBroker``.
@Suite(.serialized, .enabled(if: RealBroker.isAvailable), .timeLimit(.minutes(5)))
struct NetworkTests {
    @Test func `A cut in the middle of publishes loses none that was confirmed`() async throws {
        try await FaultyNetwork.play { network in
            let broker = try await network.connect()
            let body = [UInt8](repeating: 5, count: 20_000)
            let (senders, rounds, cuts) = (4, 60, 8)
            let cutting = Task {
                // Somewhere in a frame: of 4.8 MB every 500 kB.
                for index in 0..<cuts {
                    network.proxy.cut(afterBytes: 500_000 + 777 * index, .toBroker, named: "(publish)")
                    await network.proxy.until { $0.cut > index }
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for sender in 0..<senders {
                    group.addTask {
                        for round in 0..<rounds {
                            try await broker.publish(
                                OutgoingMessage(MessageProperties(messageID: "\(sender).\(round)"), body: body),
                                exchange: "", routingKey: network.queue)
                        }
                    }
                }
                try await group.waitForAll()
            }
            await cutting.value
            // All were confirmed in the end; all must be there, those whose confirm was lost twice.
            let all = Set((0..<senders).flatMap { sender in (0..<rounds).map { "\(sender).\($0)" } })
            let again = try await network.drain(all)
            #expect(again <= cuts * senders)
            #expect(network.proxy.counts.cut == cuts)
            #expect(await broker.isBack())
            await broker.close()
        }
    }

    @Test func `A publish that finds no way within its time is reported, and may not have happened`() async throws {
        try await FaultyNetwork.play { network in
            let broker = try await network.connect()
            network.proxy.refuse()
            network.proxy.cut()
            #expect(await broker.isLost())
            let error = await failure {
                try await broker.publish(
                    OutgoingMessage(body: [1]), exchange: "", routingKey: network.queue, mandatory: true,
                    timeLimit: .milliseconds(500))
            }
            guard case .timedOut("publish", .milliseconds(500), .some) = error else {
                Issue.record("unexpected: \(String(describing: error))")
                return
            }
            network.proxy.restore()
            #expect(await broker.isBack())
            #expect(try await network.direct.depth(of: network.queue).messages == 0)
            await broker.close()
        }
    }

    @Test func `A consumer goes on after every cut and misses nothing`() async throws {
        try await FaultyNetwork.play { network in
            let count = 300
            for index in 0..<count {
                try await network.direct.publish(
                    OutgoingMessage(MessageProperties(messageID: "\(index)"), body: [UInt8](repeating: 1, count: 5000)),
                    exchange: "", routingKey: network.queue)
            }
            let broker = try await network.connect()
            let consumer = try await broker.consume(queue: network.queue, prefetch: 10)
            let cutting = Task {
                for index in 0..<5 {
                    network.proxy.cut(afterBytes: 200_000 + 333 * index, .toClient, named: "(consume)")
                    await network.proxy.until { $0.cut > index }
                }
            }
            var seen: Set<String> = []
            for try await delivery in consumer {
                seen.insert(delivery.properties.messageID ?? "")
                // Stale where it was taken before a cut: it comes again.
                do { try await broker.acknowledge(delivery) } catch BrokerError.staleDelivery { continue }
                if seen.count == count { break }
            }
            await cutting.value
            #expect(seen.count == count)
            await broker.close()
            // What was acknowledged is gone, the rest was given back; nothing is held by a dead connection.
            while let delivery = try await network.direct.get(queue: network.queue) {
                #expect(delivery.isRedelivered)
                try await network.direct.acknowledge(delivery)
            }
        }
    }

    @Test func `A black hole is noticed by its silence, and work goes on through another way`() async throws {
        try await FaultyNetwork.play { network in
            let heartbeat = Duration.seconds(2)
            let broker = try await network.connect {
                $0.heartbeat = heartbeat
                $0.connectTimeLimit = .seconds(2)
            }
            let consumer = try await broker.consume(queue: network.queue, prefetch: 1)
            let start = ContinuousClock.now
            network.proxy.swallow()
            async let published: Void = broker.publish(
                OutgoingMessage(MessageProperties(messageID: "through"), body: [1]), exchange: "",
                routingKey: network.queue)
            #expect(await broker.isLost())
            let noticed = start.duration(to: .now)
            // Two intervals after the last sign of life, plus what a busy machine adds.
            #expect(noticed > heartbeat && noticed < heartbeat * 2 + .seconds(3), "\(noticed)")
            network.proxy.restore()
            try await published
            var iterator = consumer.makeAsyncIterator()
            let delivery = try await iterator.next()
            #expect(delivery?.properties.messageID == "through")
            #expect(await broker.isBack())
            await broker.close()
        }
    }

    @Test func `A half-closed connection counts as lost at once`() async throws {
        try await FaultyNetwork.play { network in
            let broker = try await network.connect { $0.heartbeat = .seconds(60) }
            let consumer = try await broker.consume(queue: network.queue, prefetch: 1)
            network.proxy.halfClose()
            #expect(await broker.isLost())
            try await broker.publish(OutgoingMessage(body: [1]), exchange: "", routingKey: network.queue)
            var iterator = consumer.makeAsyncIterator()
            #expect(try await iterator.next()?.body == [1])
            await broker.close()
        }
    }

    @Test func `A slow connection carries large messages both ways without being taken for dead`() async throws {
        // 5 MB at 50 kB/s is longer than 50 heartbeats; the short form is of the same shape.
        let (size, rate) = RealBroker.isLong ? (5_000_000, 50_000) : (1_000_000, 200_000)
        try await FaultyNetwork.play { network in
            let broker = try await network.connect {
                $0.heartbeat = .seconds(2)
                $0.publishTimeLimit = .seconds(300)
            }
            let losses = Losses(of: broker)
            let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
            network.proxy.set(.toBroker, bytesPerSecond: rate)
            let start = ContinuousClock.now
            try await broker.publish(OutgoingMessage(body: body), exchange: "", routingKey: network.queue)
            let sent = start.duration(to: .now)
            network.proxy.set(.toBroker)
            network.proxy.set(.toClient, bytesPerSecond: rate)
            let delivery = try #require(try await broker.get(queue: network.queue))
            let whole = start.duration(to: .now)
            #expect(delivery.body == body)
            try await broker.acknowledge(delivery)
            let least = Duration.seconds(Double(size) / Double(rate) * 0.9)
            #expect(sent > least && whole - sent > least, "\(sent), \(whole)")
            #expect(await losses.stop() == 0)
            await broker.close()
        }
    }

    @Test func `Late confirms are waited for, or reported where the time limit is shorter`() async throws {
        try await FaultyNetwork.play { network in
            let broker = try await network.connect()
            network.proxy.set(.toClient, delay: .milliseconds(800))
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<50 {
                    group.addTask {
                        try await broker.publish(
                            OutgoingMessage(MessageProperties(messageID: "\(index)"), body: [1]), exchange: "",
                            routingKey: network.queue)
                    }
                }
                try await group.waitForAll()
            }
            let elapsed = start.duration(to: .now)
            // Side by side, not one after the other.
            #expect(elapsed >= .milliseconds(800) && elapsed < .seconds(10), "\(elapsed)")
            let error = await failure {
                try await broker.publish(
                    OutgoingMessage(MessageProperties(messageID: "late"), body: [1]), exchange: "",
                    routingKey: network.queue, mandatory: true, timeLimit: .milliseconds(200))
            }
            guard case .timedOut("publish", .milliseconds(200), _) = error else {
                Issue.record("unexpected: \(String(describing: error))")
                return
            }
            // It was sent all the same, as the error's documentation says.
            #expect(try await network.drain(Set((0..<50).map(String.init) + ["late"])) == 0)
            await broker.close()
        }
    }

    @Test func `Reconnects are spaced by jittered backoff, and the state says what is wrong`() async throws {
        try await FaultyNetwork.play { network in
            let broker = try await network.connect {
                $0.backoff = Backoff(initial: .milliseconds(100), maximum: .milliseconds(400))
            }
            let before = network.proxy.counts.accepted
            network.proxy.refuse()
            network.proxy.cut()
            #expect(await broker.isLost())
            let start = ContinuousClock.now
            var instants: [ContinuousClock.Instant] = []
            for attempt in 1...12 {
                await network.proxy.until { $0.accepted >= before + attempt }
                instants.append(.now)
            }
            let elapsed = start.duration(to: .now)
            // Each of the two connections: 100 ms, 200 ms, then 400 ms, each times 0.5 to 1.
            #expect(elapsed > .milliseconds(600), "\(elapsed)")
            let gaps = zip(instants, instants.dropFirst()).map { $0.duration(to: $1) }
            #expect(Set(gaps).count > 6)
            guard case .disconnected(.disconnected(let reason)) = broker.state else {
                // Between two attempts; the next failure says why.
                #expect(broker.state == .connecting)
                #expect(await broker.isLost())
                network.proxy.restore()
                #expect(await broker.isBack())
                await broker.close()
                return
            }
            #expect(!reason.isEmpty)
            network.proxy.restore()
            #expect(await broker.isBack())
            await broker.close()
        }
    }
}

/// Counts how often a connection is lost.
struct Losses {
    private let count: Task<Int, Never>

    init(of broker: any Broker) {
        let states = broker.states
        count = Task {
            var losses = 0
            for await state in states {
                if case .disconnected = state { losses += 1 }
            }
            return losses
        }
    }

    /// How many there were until now.
    func stop() async -> Int {
        count.cancel()
        return await count.value
    }
}
