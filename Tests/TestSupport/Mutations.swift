/// Damages bytes as a hostile or broken sender would: the same for the same seed.
public struct Mutations {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    /// Below `bound`, which is not 0.
    public mutating func number(below bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(bound))
    }

    /// The bytes with one to four changes: bits, bytes, cuts, repeats and large varints.
    public mutating func mutated(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0...number(below: 4) where !bytes.isEmpty {
            let place = number(below: bytes.count)
            switch number(below: 7) {
            case 0: bytes[place] ^= 1 << UInt8(number(below: 8))
            case 1: bytes[place] = UInt8(number(below: 256))
            case 2: bytes.removeLast(min(bytes.count, number(below: 64)))
            case 3: bytes.removeSubrange(place..<min(bytes.count, place + 1 + number(below: 16)))
            case 4: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 16)], at: place)
            case 5: bytes.insert(contentsOf: [UInt8](repeating: 0xff, count: 9) + [0x01], at: place)
            default: bytes[place] = [0, 1, 0x7f, 0x80, 0xff][number(below: 5)]
            }
        }
        return bytes
    }
}
