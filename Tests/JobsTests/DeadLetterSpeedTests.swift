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
