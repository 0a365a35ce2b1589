/// SplitMix64: the same numbers in every run, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
    mutating func float(_ range: ClosedRange<Float>) -> Float { Float.random(in: range, using: &self) }
    mutating func coin() -> Bool { Bool.random(using: &self) }
    mutating func bytes(_ range: ClosedRange<Int>) -> [UInt8] {
        (0..<int(range)).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    mutating func maybe<T>(_ make: (inout SeededGenerator) -> T) -> T? { coin() ? make(&self) : nil }
    mutating func list<T>(_ range: ClosedRange<Int>, _ make: (inout SeededGenerator) -> T) -> [T] {
        (0..<int(range)).map { _ in make(&self) }
    }

    mutating func pick<T>(_ values: [T]) -> T { values[int(0...values.count - 1)] }

    mutating func text(_ length: ClosedRange<Int> = 0...20) -> String {
        let alphabet = Array("abc XYZ0189-_.é漢🙂\n\"\\")
        return String((0..<int(length)).map { _ in pick(alphabet) })
    }

    mutating func identifier() -> String { String((0..<int(1...128)).map { _ in pick(Array("abcXYZ019-_:/")) }) }
    mutating func hash() -> String { coin() ? "" : String((0..<64).map { _ in pick(Array("0123456789abcdef")) }) }
}
