import TestSupport
import Testing

@testable import Tensors

/// Sums in place of what nobody else holds.
@Suite struct SumTests {
    private func operands() throws -> (Tensor, Tensor) {
        var random = SeededNumbers(seed: 51)
        // Longer than what one thread takes.
        let shape: Shape = [3, 70_001]
        return (try random.tensor(shape, in: -1e3...1e3), try random.tensor(shape, in: -1e-3...1e-3))
    }

    @Test func aSumIsInPlaceOnlyWhereTheMemoryIsItsOwn() throws {
        let (first, second) = try operands()
        let expected = zip(first.elements, second.elements).map { ($0 + $1).bitPattern }
        var sum = try Tensor(first.elements, shape: first.shape)
        let address = sum.pointer
        try sum.add(second)
        #expect(sum.pointer == address && sum.elements.map(\.bitPattern) == expected)
        // A second owner, of the whole or of a part, goes on seeing the old numbers.
        let before = sum.elements
        let part = try sum.prefix(1..<2)
        try sum.add(second)
        #expect(sum.pointer != address && part.elements == Array(before[70_001..<140_002]))
        try withExtendedLifetime(part) {
            var same = sum
            try same.add(sum)
            #expect(same.elements == sum.elements.map { 2 * $0 })
        }
    }

    @Test func mappedMemoryIsNotWritten() throws {
        let owner = NumbersInMemory([1, 2, 3, 4])
        var x = try Tensor(borrowing: UnsafeRawBufferPointer(owner.numbers), shape: [4], owner: owner)
        try x.add(try Tensor([1, 1, 1, 1], shape: [4]))
        #expect(x.elements == [2, 3, 4, 5] && Array(owner.numbers) == [1, 2, 3, 4])
    }

    @Test func formatsAreThoseOfAnOrdinarySum() throws {
        let (first, second) = try operands()
        let narrow = try second.converted(to: .bfloat16)
        for (a, b) in [(first, narrow), (narrow, first), (narrow, narrow)] {
            let expected = try a.device.binary(.add, a, b, result: a.shape)
            var sum = a.precision == .float32 ? try Tensor(a.elements, shape: a.shape) : a
            try sum.add(b)
            #expect(sum.precision == expected.precision && sum.elements == expected.elements)
        }
    }

    /// Counted as other sums are, and repeatable where operations are timed one by one.
    @Test func aProfileKnowsIt() throws {
        let (first, second) = try operands()
        for repetitions in [0, 2] {
            let profile = OperationProfile(repetitions: repetitions)
            var sum = try Tensor(first.elements, shape: first.shape)
            try CPU.$profile.withValue(profile) { try sum.add(second) }
            #expect(profile.entries["arithmetic"]?.count == 1)
            #expect(sum.elements == zip(first.elements, second.elements).map { $0 + $1 })
        }
    }

    private final class NumbersInMemory {
        let numbers: UnsafeMutableBufferPointer<Float>

        init(_ numbers: [Float]) {
            self.numbers = .allocate(capacity: numbers.count)
            _ = self.numbers.initialize(from: numbers)
        }

        deinit { numbers.deallocate() }
    }
}
