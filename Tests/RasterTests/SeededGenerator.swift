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
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }

    /// A few random edits.
    mutating func mutate(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0..<int(1...4) where !bytes.isEmpty {
            let at = int(0...bytes.count - 1)
            switch int(0...5) {
            case 0: bytes[at] ^= 1 << UInt8(int(0...7))
            case 1: bytes[at] = UInt8(truncatingIfNeeded: next())
            case 2: bytes.insert(contentsOf: self.bytes(int(1...6)), at: at)
            case 3: bytes.removeSubrange(at..<min(bytes.count, at + int(1...20)))
            case 4: bytes.insert(contentsOf: bytes[at...].prefix(int(1...100)), at: int(0...at))
            default: bytes.removeLast(int(0...bytes.count))
            }
        }
        return bytes
    }
}
