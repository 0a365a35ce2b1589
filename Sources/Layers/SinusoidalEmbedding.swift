public import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Numbers as waves of falling frequency, for time steps and sizes.
///
/// After Vaswani and others 2017, arXiv 1706.03762, in the form of diffusers' `get_timestep_embedding`.
/// Component i of half the width C / 2 is the sine, in the other half the cosine, of t * 10000^(-i / (C / 2 - shift)).
public struct SinusoidalEmbedding: Sendable {
    /// C.
    public let width: Int
    /// Cosines before sines, as in Stable Diffusion.
    public let cosinesFirst: Bool
    /// Taken from the number of frequencies; 0 in Stable Diffusion.
    public let frequencyShift: Float

    /// - Throws: ``TensorError`` where the width is odd, or leaves no frequencies after the shift.
    public init(width: Int, cosinesFirst: Bool = true, frequencyShift: Float = 0) throws(TensorError) {
        guard width > 0, width % 2 == 0, Float(width / 2) > frequencyShift else {
            throw TensorError("sinusoidal embedding", "width \(width) with a frequency shift of \(frequencyShift)")
        }
        (self.width, self.cosinesFirst, self.frequencyShift) = (width, cosinesFirst, frequencyShift)
    }

    /// `[numbers.count, C]`.
    public func callAsFunction(_ numbers: [Float]) throws(TensorError) -> Tensor {
        let half = width / 2
        // In float32 step by step, as the networks saw it in training: at t = 1000 a rounding of the frequency shows in
        // the fifth digit of the wave.
        let rate = -Float(log(10000.0)), divisor = Float(half) - frequencyShift
        let frequencies = (0..<half).map { exp(rate * Float($0) / divisor) }
        var elements: [Float] = []
        elements.reserveCapacity(numbers.count * width)
        for number in numbers {
            let sines = frequencies.map { sin(number * $0) }, cosines = frequencies.map { cos(number * $0) }
            elements += cosinesFirst ? cosines + sines : sines + cosines
        }
        return try Tensor(elements, shape: try Shape([numbers.count, width]))
    }
}
