import Testing

@testable import Tensors

@Suite struct ArenaTests {
    /// Takes and gives in any order; what is out is written whole and must stay as it was written.
    @Test func buffersNeverOverlapAndNeighboursGrowTogether() throws {
        let arena = Arena(reserving: 1 << 28), peak = MemoryPeak(arena)
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
        #expect(arena.used == 0 && arena.freeExtents == 1 && peak.bytes == most)
        #expect(MemoryPeak(arena).bytes == 0)
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

    /// Free extents leave memory, and no others, once all of it passes the limit; what is in use never counts as free.
    @Test func aLimitSparesWhatIsFree() throws {
        let arena = Arena(reserving: 1 << 28), bytes = 16 << 20
        var memory: [UnsafeMutableRawPointer] = []
        for index in 0..<4 {
            memory.append(try #require(arena.take(bytes)))
            memory[index].initializeMemory(as: UInt8.self, repeating: UInt8(index + 1), count: bytes)
        }
        arena.give(memory[0], bytes)
        arena.give(memory[2], bytes)
        #expect(arena.resident == 4 * bytes)
        arena.limit(to: 3 * bytes)
        #expect(arena.resident == 3 * bytes)
        arena.limit(to: .max)
        // Both free places are asked for again: one is still as it was, the other comes back as zeros.
        let again = [try #require(arena.take(bytes)), try #require(arena.take(bytes))]
        let first = again.map { $0.load(as: UInt8.self) }
        #expect(Set(again) == [memory[0], memory[2]] && first.contains(0) && first.contains { $0 > 0 })
        arena.limit(to: 3 * bytes)
        #expect(arena.resident == 4 * bytes, "what is in use stays, limit or not")
        arena.give(again[0], bytes)
        #expect(arena.resident == 4 * bytes, "given, it is idle until something is taken")
        let small = try #require(arena.take(1 << 16))
        #expect(arena.resident == 3 * bytes + (1 << 16))
        for (index, buffer) in [(1, memory[1]), (3, memory[3])] {
            #expect(UnsafeRawBufferPointer(start: buffer, count: bytes).allSatisfy { $0 == UInt8(index + 1) })
            arena.give(buffer, bytes)
        }
        arena.give(small, 1 << 16)
        arena.give(again[1], bytes)
        #expect(arena.freeExtents == 1)
        arena.trim()
        #expect(arena.resident == 0)
    }

    /// Of a free extent no more goes than must, in large pages and from its end; asked for once more, the rest goes too.
    @Test func aLimitTakesLittleMoreThanItMust() throws {
        let arena = Arena(reserving: 1 << 28), bytes = 32 << 20, page = 2 << 20
        let memory = try #require(arena.take(bytes))
        memory.initializeMemory(as: UInt8.self, repeating: 5, count: bytes)
        arena.give(memory, bytes)
        arena.limit(to: bytes - (5 << 20))
        #expect(arena.resident == bytes - 3 * page)
        let again = try #require(arena.take(bytes))
        let numbers = UnsafeRawBufferPointer(start: again, count: bytes)
        #expect(numbers[..<(bytes - 3 * page)].allSatisfy { $0 == 5 })
        #expect(numbers[(bytes - 3 * page)...].allSatisfy { $0 == 0 })
        arena.give(again, bytes)
        arena.limit(to: bytes - page)
        arena.limit(to: 0)
        #expect(arena.resident == 0)
    }
}
