import BrokerTestSupport
import Foundation
import Testing

@testable import Broker

/// What happens when the broker itself goes away, falls over or runs out of memory.
@Suite(.serialized, .timeLimit(.minutes(5)), .enabled(if: PrivateNode.isAvailable))
struct OutageTests {
    @Test func `Waiting calls and consumers go on after a restart of the broker`() async throws {
        try await PrivateNode.with { node in
            let broker = try BrokerKind.rabbitMQ(url: node.url)
            try await broker.ready(within: .seconds(120))
            try await broker.declare(Topology(queues: [Queue("work")]))
            try await broker.publish(OutgoingMessage(body: [1]), exchange: "", routingKey: "work")
            let consumer = try await broker.consume(queue: "work", prefetch: 1)
            let before = try await consumer.take()

            async let restarted: Void = node.restart()
            #expect(await broker.reaches { if case .disconnected = $0 { true } else { false } })
            // Asked while there is no broker.
            async let published: Void = broker.publish(OutgoingMessage(body: [2]), exchange: "", routingKey: "work")
            async let declared: Void = broker.declare(Topology(queues: [Queue("more", kind: .classic)]))
            try await restarted
            try await published
            try await declared

            var bodies: Set<[UInt8]> = []
            while bodies.count < 2 {
                let delivery = try await consumer.take()
                bodies.insert(delivery.body)
                if delivery.body == [1] { #expect(delivery.isRedelivered) }
                try await broker.acknowledge(delivery)
            }
            #expect(bodies == [[1], [2]])
            #expect(await failure { try await broker.acknowledge(before) } == .staleDelivery)
            #expect(try await broker.depth(of: "work").messages == 0)
            await broker.close()
        }
    }

    @Test func `Publishes in flight are confirmed after a crash of the broker`() async throws {
        try await PrivateNode.with { node in
            let broker = try BrokerKind.rabbitMQ(url: node.url)
            try await broker.ready(within: .seconds(120))
            try await broker.declare(Topology(queues: [Queue("work")]))
            let publishers = Task {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for worker in 0..<20 {
                        group.addTask {
                            for round in 0..<50 {
                                let body = Array("\(worker).\(round)".utf8)
                                try await broker.publish(OutgoingMessage(body: body), exchange: "", routingKey: "work")
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            while try await broker.depth(of: "work").messages < 100 { await Task.yield() }
            try await node.crash()
            try await node.restart()
            try await publishers.value

            var arrived: Set<String> = []
            let consumer = try await broker.consume(queue: "work", prefetch: 200)
            while arrived.count < 1000 {
                let delivery = try await consumer.take()
                arrived.insert(delivery.text)
                try await broker.acknowledge(delivery)
            }
            await broker.close()
        }
    }

    @Test func `A broker out of memory blocks publishes, which time out and later go on`() async throws {
        try await PrivateNode.with { node in
            let broker = try BrokerKind.rabbitMQ(url: node.url) { $0.heartbeat = .seconds(2) }
            try await broker.ready(within: .seconds(120))
            try await broker.declare(Topology(queues: [Queue("work", kind: .classic)]))
            try await broker.publish(OutgoingMessage(body: [1]), exchange: "", routingKey: "work")
            try await node.control("set_vm_memory_high_watermark", "absolute", "1")

            // Far more than the kernel's buffers take: a client that waits in send would hang here.
            let large = OutgoingMessage(body: Array(repeating: 7, count: 20_000_000))
            async let blocked: Void = broker.publish(large, exchange: "", routingKey: "work")
            #expect(await broker.reaches { if case .blocked = $0 { true } else { false } })
            let error = await failure {
                try await broker.publish(
                    OutgoingMessage(body: [2]), exchange: "", routingKey: "work", mandatory: true,
                    timeLimit: .seconds(5))
            }
            guard case .timedOut("publish", .seconds(5), let reason?) = error else {
                Issue.record("unexpected: \(String(describing: error))")
                return
            }
            #expect(reason.contains("blocked"))
            // Consuming and declaring do not stop.
            let delivery = try #require(try await broker.get(queue: "work"))
            try await broker.acknowledge(delivery)

            try await node.control("set_vm_memory_high_watermark", "0.6")
            try await blocked
            #expect(try await broker.get(queue: "work")?.body.count == 20_000_000)
            #expect(await broker.reaches { $0 == .connected })
            await broker.close()
        }
    }

    @Test func `A broker that falls silent counts as lost after two heartbeats`() async throws {
        try await PrivateNode.with { node in
            let broker = try BrokerKind.rabbitMQ(url: node.url) { $0.heartbeat = .seconds(1) }
            try await broker.ready(within: .seconds(120))
            let pid = try #require(
                pid_t(
                    String(contentsOfFile: node.directory + "/rabbitmq.pid", encoding: .utf8).trimmingCharacters(
                        in: .whitespacesAndNewlines)))
            kill(pid, SIGSTOP)
            #expect(await broker.reaches { if case .disconnected = $0 { true } else { false } })
            kill(pid, SIGCONT)
            #expect(await broker.reaches { $0 == .connected })
            await broker.close()
        }
    }

    @Test func `A blocked broker does not keep the client from closing`() async throws {
        try await PrivateNode.with { node in
            let broker = try BrokerKind.rabbitMQ(url: node.url)
            try await broker.ready(within: .seconds(120))
            try await broker.declare(Topology(queues: [Queue("work", kind: .classic)]))
            try await node.control("set_vm_memory_high_watermark", "absolute", "1")
            async let outcome = failure {
                try await broker.publish(
                    OutgoingMessage(body: Array(repeating: 7, count: 20_000_000)), exchange: "", routingKey: "work")
            }
            #expect(await broker.reaches { if case .blocked = $0 { true } else { false } })
            let start = ContinuousClock.now
            await broker.close()
            #expect(await outcome == .closed)
            #expect(start.duration(to: .now) < .seconds(10))
        }
    }
}
