import Testing

@testable import Tensors

@Suite struct ArenaTests {
    /// Takes and gives in any order; what is out is written whole and must stay as it was written.
    @Test func buffersNeverOverlapAndNeighboursGrowTogether() throws {
        let arena = Arena(reserving: 1 << 28)
        var random = SystemRandomNumberGenerator()
        var out: [(memory: UnsafeMutableRawPointer, bytes: Int, mark: UInt8)] = []
        var (used, most) = (0, 0)
        for round in 0..<3000 {
            if out.count < 40, Bool.random(using: &random) || out.isEmpty {
                let bytes = 1 << Int.random(in: 4...21, using: &random)
                let memory = try #require(arena.take(bytes))
                #expect(Int(bitPattern: memory) % 64 == 0)
                memory.initializeMemory(as: UInt8.self, repeating: UInt8(round % 251), count: bytes)
                out.append((memory, bytes, UInt8(round % 251)))
                used += bytes
                most = max(most, used)
            } else {
                let (memory, bytes, mark) = out.remove(at: Int.random(in: 0..<out.count, using: &random))
                let numbers = UnsafeRawBufferPointer(start: memory, count: bytes)
                #expect(numbers.allSatisfy { $0 == mark })
                arena.give(memory, bytes)
                used -= bytes
            }
            #expect(arena.used == used)
        }
        for (memory, bytes, _) in out { arena.give(memory, bytes) }
        #expect(arena.used == 0 && arena.freeExtents == 1 && arena.mostUsed == most)
        arena.forgetPeak()
        #expect(arena.mostUsed == 0)
    }

    @Test func whatIsFreeIsGivenBackAndReadsAsZero() throws {
        let arena = Arena(reserving: 1 << 28), bytes = 8 << 20
        let memory = try #require(arena.take(bytes))
        memory.initializeMemory(as: UInt8.self, repeating: 7, count: bytes)
        let kept = try #require(arena.take(bytes))
        kept.initializeMemory(as: UInt8.self, repeating: 9, count: bytes)
        arena.give(memory, bytes)
        arena.trim()
        let again = try #require(arena.take(bytes))
        #expect(again == memory, "the lowest place that fits")
        #expect(UnsafeRawBufferPointer(start: again, count: bytes).allSatisfy { $0 == 0 })
        #expect(UnsafeRawBufferPointer(start: kept, count: bytes).allSatisfy { $0 == 9 })
        arena.give(again, bytes)
        arena.give(kept, bytes)
    }

    @Test func withoutARangeAndBeyondItMemoryComesFromMalloc() throws {
        for reserved in [0, 1 << 28] {
            let arena = Arena(reserving: reserved)
            let memory = try #require(arena.take(300 << 20))
            memory.storeBytes(of: 1, toByteOffset: (300 << 20) - 1, as: UInt8.self)
            #expect(arena.used == 300 << 20)
            arena.give(memory, 300 << 20)
            #expect(arena.used == 0)
            #expect(arena.take(1 << 60) == nil && arena.used == 0)
        }
    }
}
