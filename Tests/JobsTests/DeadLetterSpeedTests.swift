import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
import RectifIDClient
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(10)), .enabled(if: BrokerKind.url != nil))
struct DeadLetterSpeedTests {
    /// How many letters an operator may find who comes late.
    private static let many = ProcessInfo.processInfo.environment["RECTIFID_MEASURE"] == nil ? 5000 : 100_000

    /// Prints what it takes; what is checked is that memory does not grow with the letters, and that nothing changes.
    @Test func aLookAtManyLettersKeepsThemInOrder() async throws {
        try await Stage.play(.rabbitMQ) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            let body = try Sample.request().encode()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 1...Self.many {
                    group.addTask { try await stage.writeLetter("job-\(index)", body: body, with: broker) }
                    if index % 64 == 0 { try await group.waitForAll() }
                }
                try await group.waitForAll()
            }
            let queue = stage.letters(with: broker)
            var looks: [[String]] = []
            for look in 1...3 {
                let seen = Mutex((ids: [String](), first: ResidentMemory.bytes, most: 0))
                let start = ContinuousClock.now
                let found = try await queue.forEach { letter, _ in
                    seen.withLock { seen in
                        seen.ids.append(letter.jobID)
                        if seen.ids.count % 1000 == 0 { seen.most = max(seen.most, ResidentMemory.bytes) }
                    }
                }
                let time = start.duration(to: .now)
                let (ids, first, most) = seen.withLock { $0 }
                print("look \(look) at \(found) letters: \(time), grown by \((most - first) >> 20) MiB")
                #expect(found == Self.many && most - first < 64 << 20)
                looks.append(ids)
            }
            #expect(Set(looks[0]).count == Self.many)
            #expect(looks[0] == looks[1] && looks[1] == looks[2])
            await broker.close()
        }
    }

    /// Prints letters per second; what is checked is that memory does not grow with the letters.
    @Test(arguments: [(1000, 1000), (100, 1 << 20)])
    func aLookHoldsOneBodyAtATime(count: Int, bodySize: Int) async throws {
        try await Stage.play(.rabbitMQ) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            var request = try Sample.request()
            request.references[0].picture = .image([UInt8](repeating: 7, count: bodySize))
            let body = request.encode()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 1...count {
                    group.addTask { try await stage.writeLetter("job-\(index)", body: body, with: broker) }
                    if index % 16 == 0 { try await group.waitForAll() }
                }
            }
            let queue = stage.letters(with: broker)
            let growth = Mutex((first: 0, most: 0))
            let start = ContinuousClock.now
            let found = try await queue.forEach { _, _ in
                let memory = ResidentMemory.bytes
                growth.withLock { growth in
                    if growth.first == 0 { growth.first = memory }
                    growth.most = max(growth.most, memory)
                }
            }
            let seconds = start.duration(to: .now) / .seconds(1)
            let grown = growth.withLock { $0.most - $0.first }
            print(
                "\(count) letters of \(bodySize) bytes: \(Int(Double(count) / seconds)) letters/s, grown by \(grown >> 20) MiB"
            )
            #expect(found == count)
            // A few bodies: the one in hand, its message, and what the allocator keeps.
            #expect(grown < 32 << 20)
            await broker.close()
        }
    }
}
