import TestSupport
import Testing

@testable import Tensors

/// What operations report of themselves.
@Suite struct OperationProfileTests {
    private func operands() throws -> (x: Tensor, filter: any Filter) {
        var random = SeededNumbers(seed: 3)
        return (try random.tensor([1, 8, 8, 16]), try CPU.shared.filter(try random.tensor([32, 3, 3, 16])))
    }

    private func convolve(_ count: Int, reportingTo profile: OperationProfile) throws {
        let (x, filter) = try operands()
        try CPU.$profile.withValue(profile) {
            for _ in 0..<count {
                _ = try CPU.shared.convolve(x, filter, bias: nil, Window(padding: 1), result: .float32)
            }
        }
    }

    @Test func aKindCountsItsCallsProductsAndBytes() throws {
        let profile = OperationProfile()
        try convolve(3, reportingTo: profile)
        let entry = try #require(profile.entries["convolve"])
        #expect(entry.count == 3 && entry.seconds > 0)
        let numbers = 64 * 16 + 32 * 9 * 16 + 64 * 32
        #expect(entry.operations == Double(3 * 2 * 64 * 32 * 9 * 16))
        #expect(entry.bytes == Double(3 * 4 * numbers))
        #expect(profile.calls.isEmpty)
    }

    @Test func aShapeIsTimedByItselfAndItsRepetitionsCountAsNoCalls() throws {
        let profile = OperationProfile(repetitions: 5)
        try convolve(3, reportingTo: profile)
        #expect(profile.entries["convolve"]?.count == 3)
        let (call, entry) = try #require(profile.calls.first)
        #expect(profile.calls.count == 1 && entry.count == 3)
        #expect(entry.seconds.count == 5 && entry.seconds.allSatisfy { $0 > 0 })
        #expect(call.shapes == "1 x 8 x 8 x 16 by 32 x 3 x 3 x 16" && call.precision == .float32, "\(call.shapes)")
    }

    @Test func otherShapesWeightsAndKindsAreOtherCalls() throws {
        var random = SeededNumbers(seed: 4)
        let profile = OperationProfile(repetitions: 1), cpu = CPU.shared
        let (x, y) = (try random.tensor([2, 4, 32]), try random.tensor([1, 8, 32]))
        let (small, large) = (
            try cpu.matrix(try random.tensor([16, 32])), try cpu.matrix(try random.tensor([48, 32]))
        )
        try CPU.$profile.withValue(profile) {
            // The same rows: one shape of a linear map, two of a sum.
            for operand in [x, y] {
                _ = try cpu.linear(operand, small, bias: nil, result: .float32)
                _ = try cpu.linear(operand, large, bias: nil, result: .float32)
                _ = try cpu.binary(.add, operand, operand, result: operand.shape)
            }
        }
        let shapes = Set(profile.calls.map { "\($0.key.kind) \($0.key.shapes) \($0.value.count)" })
        #expect(
            shapes == [
                "linear 8 x 32 by 16 x 32 2", "linear 8 x 32 by 48 x 32 2", "arithmetic 2 x 4 x 32 1",
                "arithmetic 1 x 8 x 32 1",
            ], "\(shapes)")
    }

    @Test func theLeastTimeIsThatOfProductsOrOfMemory() {
        let peak = MachinePeak(operations: [.float32: 100, .bfloat16: 200], readBytes: 10, copiedBytes: 8)
        #expect(peak.seconds(operations: 1000, .float32, bytes: 10) == 10)
        #expect(peak.seconds(operations: 1000, .bfloat16, bytes: 10) == 5)
        #expect(peak.seconds(operations: 1000, .bfloat16, bytes: 1000) == 100)
    }

    @Test func noOperationIsFasterThanTheMeasuredPeak() throws {
        let peak = try MachinePeak.measure()
        var random = SeededNumbers(seed: 5)
        let matrix = try CPU.shared.matrix(try random.tensor([512, 512])), x = try random.tensor([512, 512])
        let profile = OperationProfile(repetitions: 5)
        try CPU.$profile.withValue(profile) { _ = try CPU.shared.linear(x, matrix, bias: nil, result: .float32) }
        let entry = try #require(profile.calls.first?.value)
        let rate = entry.operations / (entry.seconds.min() ?? 0)
        // Twice as much is allowed for: other programs may have slowed the one and not the other.
        #expect(rate < 2 * (peak.operations[.float32] ?? 0), "\(rate * 1e-9) GFLOP/s, \(peak)")
        #expect(peak.readBytes > 0 && peak.copiedBytes > 0)
    }
}
