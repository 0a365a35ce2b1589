#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// PyTorch's CPU generator: MT19937 (Matsumoto and Nishimura 1998), and its normal numbers in the order of `torch.randn`.
///
/// A published seed means the numbers that PyTorch draws for it, and those depend on how many are asked for: fewer than
/// 16 come from a scalar double-precision loop, more from a blockwise float32 one (ATen's `DistributionTemplates.h`).
public struct TorchGenerator: Sendable {
    private static let length = 624
    private static let middle = 397

    private var words: [UInt32]
    private var position = TorchGenerator.length
    /// The second normal number of a pair, kept for the next scalar draw as PyTorch's generator object does.
    private var spare: Double?

    /// A generator in the state of `torch.Generator().manual_seed(seed)`.
    ///
    /// - Parameter seed: 64 bits, of which PyTorch's engine uses the lower 32 (`at::mt19937`).
    public init(seed: UInt64) {
        words = [UInt32(truncatingIfNeeded: seed)]
        words.reserveCapacity(Self.length)
        for index in 1..<Self.length {
            let last = words[index - 1]
            words.append(1_812_433_253 &* (last ^ (last >> 30)) &+ UInt32(index))
        }
    }

    /// The next 32 bits of the engine.
    public mutating func nextUInt32() -> UInt32 {
        if position == Self.length { twist() }
        var word = words[position]
        position += 1
        word ^= word >> 11
        word ^= (word << 7) & 0x9d2c_5680
        word ^= (word << 15) & 0xefc6_0000
        word ^= word >> 18
        return word
    }

    /// The next 64 bits, the first word being the upper half.
    public mutating func nextUInt64() -> UInt64 {
        let upper = UInt64(nextUInt32())
        return upper << 32 | UInt64(nextUInt32())
    }

    private mutating func twist() {
        for index in 0..<Self.length {
            let next = words[(index + 1) % Self.length]
            let mixed = (words[index] & 0x8000_0000) | (next & 0x7fff_ffff)
            let magic: UInt32 = mixed & 1 == 0 ? 0 : 0x9908_b0df
            words[index] = words[(index + Self.middle) % Self.length] ^ (mixed >> 1) ^ magic
        }
        position = 0
    }
}

/// Normal numbers.
extension TorchGenerator {
    /// The numbers of `torch.randn(count)` in float32: mean 0, variance 1.
    public mutating func normals(_ count: Int) -> [Float] {
        guard count >= 16 else { return (0..<max(0, count)).map { _ in Float(scalarNormal()) } }
        var numbers = (0..<count).map { _ in uniformFloat() }
        for start in stride(from: 0, through: count - 16, by: 16) { Self.transform(&numbers, from: start) }
        // What does not fill a block is not drawn alone: the last 16 numbers are drawn anew and overlap the block before.
        if count % 16 != 0 {
            for index in count - 16..<count { numbers[index] = uniformFloat() }
            Self.transform(&numbers, from: count - 16)
        }
        return numbers
    }

    /// 24 bits of one word, in [0, 1).
    private mutating func uniformFloat() -> Float { Float(nextUInt32() & 0xff_ffff) * 0x1p-24 }

    /// 53 bits of two words, in [0, 1).
    private mutating func uniformDouble() -> Double { Double(nextUInt64() & 0x1f_ffff_ffff_ffff) * 0x1p-53 }

    /// Box-Muller in double, one number at a time; every second call returns the sine of the pair before.
    private mutating func scalarNormal() -> Double {
        if let number = spare {
            spare = nil
            return number
        }
        let angle = 2 * Double.pi * uniformDouble()
        let radius = (-2 * log1p(-uniformDouble())).squareRoot()
        spare = radius * sin(angle)
        return radius * cos(angle)
    }

    /// Box-Muller over 16 uniform numbers in place: element j and j + 8 make a pair.
    ///
    /// Each intermediate is rounded to float32 where PyTorch's vector code rounds it; the functions themselves are taken
    /// in double, so that the numbers do not depend on the C library's float32 versions.
    private static func transform(_ numbers: inout [Float], from start: Int) {
        for index in start..<start + 8 {
            let logarithm = Float(log(Double(1 - numbers[index])))
            let radius = (-2 * logarithm).squareRoot()
            // `Float.pi` is rounded towards zero; PyTorch's constant is 2 pi rounded to nearest.
            let angle = Double(Float(2 * Double.pi) * numbers[index + 8])
            numbers[index] = radius * Float(cos(angle))
            numbers[index + 8] = radius * Float(sin(angle))
        }
    }
}
