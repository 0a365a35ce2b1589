import Testing

@testable import Broker

struct FifoTests {
    @Test func `It behaves as an array does, whatever is added, taken or removed in whatever order`() {
        var random = Steps(state: 7)
        var fifo = Fifo<Int>()
        var array: [Int] = []
        for step in 0..<20_000 {
            // Long runs of one kind, so that it grows, empties and gives room back at either end.
            switch (random.next() >> 32) % 8 + UInt64(step / 1000 % 3) {
            case 0...3:
                fifo.append(step)
                array.append(step)
            case 4, 5:
                fifo.prepend(step)
                array.insert(step, at: 0)
            case 6:
                fifo.removeAll { $0 % 97 == 0 }
                array.removeAll { $0 % 97 == 0 }
            default:
                let (taken, expected) = (fifo.removeFirst(), array.first)
                array = Array(array.dropFirst())
                #expect(taken == expected)
            }
            #expect(fifo.count == array.count && fifo.first == array.first && fifo.isEmpty == array.isEmpty)
            if step % 100 == 0 { #expect(fifo.all == array) }
        }
    }

    @Test(arguments: [true, false])
    func `Messages that come back in any order stand where they stood`(isLimited: Bool) async throws {
        let broker = InMemoryBroker()
        // Without a limit a quorum queue takes them at its end, in the order in which they came back.
        try await broker.declare(Topology(queues: [Queue("work", deliveryLimit: isLimited ? 5 : nil)]))
        for index in 0..<6 {
            try await broker.publish(OutgoingMessage(body: [UInt8(index)]), exchange: "", routingKey: "work")
        }
        var taken: [Delivery] = []
        for _ in 0..<4 { taken.append(try #require(try await broker.get(queue: "work"))) }
        for index in [2, 0, 3, 1] { try await broker.release(taken[index]) }
        var order: [UInt8] = []
        while let delivery = try await broker.get(queue: "work") { order += delivery.body }
        #expect(order == (isLimited ? [0, 1, 2, 3, 4, 5] : [4, 5, 2, 0, 3, 1]))
        // All are taken; a lost connection brings them back together.
        broker.loseConnection()
        order = []
        while let delivery = try await broker.get(queue: "work") { order += delivery.body }
        #expect(order == [0, 1, 2, 3, 4, 5])
    }

    @Test func `A limit of bytes counts what waits, also after messages have come back`() async throws {
        let broker = InMemoryBroker()
        try await broker.declare(
            Topology(queues: [Queue("work", kind: .classic, maximumBytes: 10, overflow: .rejectPublish)]))
        func publish() async throws {
            try await broker.publish(
                OutgoingMessage(body: [UInt8](repeating: 1, count: 5)), exchange: "", routingKey: "work")
        }
        try await publish()
        try await publish()
        let delivery = try #require(try await broker.get(queue: "work"))
        try await publish()
        try await broker.release(delivery)
        await #expect(throws: BrokerError.refused(exchange: "", routingKey: "work")) { try await publish() }
        #expect(try await broker.purge(queue: "work") == 3)
        try await publish()
    }

    @Test func `What is given back costs the same however many wait`() async throws {
        let (few, many) = (try await Self.returning(among: 1000), try await Self.returning(among: 200_000))
        // Two hundred times as many; a copy of what waits would cost as many times more.
        #expect(many < few * 20, "\(few) and \(many)")
    }

    /// How long it takes to take a message and give it back, a few hundred times.
    private static func returning(among count: Int) async throws -> Duration {
        let broker = InMemoryBroker()
        try await broker.declare(Topology(queues: [Queue("work", kind: .classic)]))
        for _ in 0..<count { try await broker.publish(OutgoingMessage(body: []), exchange: "", routingKey: "work") }
        // Once, so that room is made at the front.
        if let first = try await broker.get(queue: "work") { try await broker.release(first) }
        let start = ContinuousClock.now
        for _ in 0..<500 {
            let delivery = try #require(try await broker.get(queue: "work"))
            try await broker.release(delivery)
        }
        return start.duration(to: .now)
    }

    /// The same numbers each time (Knuth's MMIX generator).
    private struct Steps {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state
        }
    }
}
