public import Tensors

/// How long one operation takes on operands of one shape, by itself and several times in a row: what is small stays in a
/// cache meanwhile.
public struct OperationTiming: Sendable {
    /// `unet` or `decoder`.
    public let network: String
    public let call: OperationCall
    /// How often a pass, there or back, makes it.
    public let count: Int
    /// Median of a call.
    public let seconds: Double
    /// Multiplications and additions of a call, by the plain algorithm.
    public let operations: Double
    /// What a call must read and write at least.
    public let bytes: Double
    /// The least time on this machine as a share of ``seconds``; more than 1 where fewer products or a cache beat it.
    public let shareOfPeak: Double

    init(_ network: String, _ call: OperationCall, _ entry: OperationProfile.CallEntry, _ peak: MachinePeak) {
        (self.network, self.call, count) = (network, call, entry.count)
        (operations, bytes) = (entry.operations, entry.bytes)
        seconds = Stopwatch.median(entry.seconds)
        shareOfPeak = peak.seconds(operations: operations, call.precision, bytes: bytes) / seconds
    }

    /// Of all calls of a pass.
    public var total: Double { seconds * Double(count) }
}

extension NetworkBenchmark {
    /// Measures every operation and shape of a pass of the U-Net and one of the decoder, there and back.
    ///
    /// - Returns: Those of each network, the one that takes longest in all its calls first.
    public func operations(_ peak: MachinePeak) throws -> [OperationTiming] {
        var timings: [OperationTiming] = []
        for (network, subject) in [("unet", Subject.unetGradient), ("decoder", .decoderGradient)] {
            let body = try prepare(subject).body
            // Prepares weights and kernels.
            try body()
            let profile = OperationProfile(repetitions: repetitions)
            try CPU.$profile.withValue(profile) { try body() }
            timings += profile.calls.map { OperationTiming(network, $0.key, $0.value, peak) }
                .sorted { $0.total > $1.total }
        }
        return timings
    }
}
