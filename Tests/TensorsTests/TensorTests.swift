import Foundation
import Tensors
import Testing

@Suite struct TensorTests {
    @Test func shapesRefuseWhatDoesNotFit() throws {
        #expect(throws: TensorError.self) { try Shape([-1, 2]) }
        #expect(throws: TensorError.self) { try Shape([Int.max, 2]) }
        #expect(throws: TensorError.self) { try Shape([Int](repeating: 1, count: 9)) }
        #expect(try Shape([2, 0, 3]).count == 0)
        #expect(([2, 3, 4] as Shape).strides == [12, 4, 1])
    }

    @Test func aLimitHoldsForItsThreadAlone() async {
        let all = CPU.shared.threads
        #expect(all == CPU.shared.cores)
        CPU.$threadLimit.withValue(1) { #expect(CPU.shared.threads == 1) }
        CPU.$threadLimit.withValue(.max) { #expect(CPU.shared.threads == all) }
        CPU.$threadLimit.withValue(0) { #expect(CPU.shared.threads == 1) }
        #expect(CPU.shared.threads == all)
    }

    @Test func elementCountsMustMatch() throws {
        #expect(throws: TensorError.self) { try Tensor([1, 2, 3], shape: [2]) }
        #expect(throws: TensorError.self) { try Tensor([1, 2, 3, 4], shape: [4]).reshaped([5]) }
        #expect(throws: TensorError.self) { try Tensor([1, 2], shape: [2]).number() }
    }

    @Test func allSixteenBitNumbersWidenExactly() throws {
        let patterns = (0...UInt16.max).map { $0 }
        let bytes = patterns.withUnsafeBytes { Array($0) }
        let halves = try bytes.withUnsafeBytes { try Tensor(widening: $0, .float16, shape: [65536]).elements }
        let brains = try bytes.withUnsafeBytes { try Tensor(widening: $0, .bfloat16, shape: [65536]).elements }
        for pattern in patterns {
            let half = Float(Float16(bitPattern: pattern)), brain = Float(bitPattern: UInt32(pattern) << 16)
            let (a, b) = (halves[Int(pattern)], brains[Int(pattern)])
            #expect(a.bitPattern == half.bitPattern || (a.isNaN && half.isNaN), "float16 \(pattern)")
            #expect(b.bitPattern == brain.bitPattern, "bfloat16 \(pattern)")
        }
    }

    @Test func unalignedBytesWidenToo() throws {
        let halves: [UInt16] = (0..<5000).map { Float16($0).bitPattern }
        let bytes: [UInt8] = [0] + halves.withUnsafeBytes { Array($0) }
        let values = try bytes.withUnsafeBytes {
            try Tensor(widening: UnsafeRawBufferPointer(rebasing: $0[1...]), .float16, shape: [5000]).elements
        }
        #expect(values == (0..<5000).map { Float(Float16($0)) })
    }

    /// The vectorised approximations against the C library, over the range that networks use.
    @Test func approximationsAgreeWithTheCLibrary() throws {
        let points = stride(from: Float(-30), through: 30, by: 0.0073).map { $0 }
        let x = try Tensor(points, shape: [points.count])
        func values(_ f: Activation) throws -> [Float] { try CPU.shared.activate(f, x).elements }
        let (e, g, s) = (try values(.exp), try values(.gelu), try values(.sigmoid))
        for (index, point) in points.enumerated() {
            let p = Double(point)
            let exact = (exp(p), p * 0.5 * erfc(-p / 2.0.squareRoot()), 1 / (1 + exp(-p)))
            #expect(abs(Double(e[index]) - exact.0) <= 4e-7 * exact.0, "exp(\(point))")
            #expect(abs(Double(g[index]) - exact.1) <= 6e-7 * max(1, abs(p)), "gelu(\(point))")
            #expect(abs(Double(s[index]) - exact.2) <= 2e-7, "sigmoid(\(point))")
        }
    }

    @Test func splitCoversEveryElementOnce() throws {
        // Large enough that the work is split over threads, and a count that no thread number divides.
        let count = 1_000_003
        let x = try Tensor((0..<count).map { Float($0 % 1000) }, shape: [count])
        let y = try CPU.shared.affine(x, scale: 2, shift: 1).elements
        #expect(y.enumerated().allSatisfy { $1 == Float($0 % 1000) * 2 + 1 })
    }
}
