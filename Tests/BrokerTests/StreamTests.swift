import BrokerTestSupport
import Testing

@testable import Broker

@Suite(.timeLimit(.minutes(2)))
struct StreamTests {
    @Test("Every reader gets what is there and what comes", arguments: BrokerKind.available)
    func readers(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let stream = try await declareStream(pair)
            for index in 0..<5 { try await pair.publish("\(index)", to: stream) }
            for broker in [pair.first, pair.second] {
                // Fewer at a time than there are: acknowledgements let the rest come.
                let reader = try await broker.read(stream: stream, since: .seconds(3600), prefetch: 2)
                let texts = try await take(6, from: reader, on: broker) { try await pair.publish("5", to: stream) }
                #expect(texts == ["0", "1", "2", "3", "4", "5"])
                await reader.cancel()
            }
        }
    }

    @Test("What is read cannot be lost or given back", arguments: BrokerKind.available)
    func nothingIsTaken(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let stream = try await declareStream(pair)
            for text in ["a", "b", "c"] { try await pair.publish(text, to: stream) }
            let reader = try await pair.first.read(stream: stream, since: .seconds(60), prefetch: 10)
            // RabbitMQ closes the connection of who rejects a message of a stream; cancelling releases what is left.
            try await pair.first.reject(try await reader.take(), requeue: true)
            try await pair.first.release(try await reader.take())
            await reader.cancel()
            let again = try await pair.first.read(stream: stream, since: .seconds(60), prefetch: 10)
            #expect(try await take(3, from: again, on: pair.first) == ["a", "b", "c"])
        }
    }

    @Test("After a lost connection the reading starts again", arguments: BrokerKind.available)
    func reconnect(kind: BrokerKind) async throws {
        try await withBrokers(kind) { pair in
            let stream = try await declareStream(pair)
            try await pair.publish("before", to: stream)
            let reader = try await pair.first.read(stream: stream, since: .seconds(60), prefetch: 10)
            #expect(try await take(1, from: reader, on: pair.first) == ["before"])
            pair.loseFirstConnection()
            try await pair.publish("meanwhile", to: stream)
            #expect(try await take(2, from: reader, on: pair.first) == ["before", "meanwhile"])
        }
    }

    @Test func `A stream in memory forgets what is too old or too much`() async throws {
        let clock = ManualClock()
        let broker = InMemoryBroker(node: InMemoryNode(clock: clock))
        try await broker.declare(
            Topology(queues: [Queue("log", kind: .stream, maximumBytes: 100, maximumAge: .seconds(60))]))
        func write(_ count: Int) async throws {
            for index in 0..<count {
                try await broker.publish(OutgoingMessage(body: [UInt8(index % 256)]), exchange: "", routingKey: "log")
            }
        }
        try await write(10)
        clock.advance(by: .seconds(30))
        try await write(10)
        let reader = try await broker.read(stream: "log", since: .seconds(20), prefetch: 100)
        #expect(try await reader.take().properties.headers["x-stream-offset"] == 10)
        clock.advance(by: .seconds(40))
        try await write(20)
        #expect(try await broker.depth(of: "log").messages < 35)
        try await write(1000)
        #expect(try await broker.depth(of: "log").messages <= 101)
    }

    private func declareStream(_ pair: Pair) async throws -> String {
        try await pair.first.declare(
            Topology(queues: [
                Queue(
                    pair.name("work"), kind: .stream, maximumBytes: 10_000_000, maximumAge: .seconds(86_400),
                    segmentBytes: 1_000_000)
            ]))
        return pair.name("work")
    }

    private func take(
        _ count: Int, from reader: Consumer, on broker: any Broker, then last: () async throws -> Void = {}
    ) async throws -> [String] {
        var texts: [String] = []
        while texts.count < count {
            if texts.count == count - 1 { try await last() }
            let delivery = try await reader.take()
            texts.append(delivery.text)
            try await broker.acknowledge(delivery)
        }
        return texts
    }
}
