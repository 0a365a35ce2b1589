public import Tensors

/// How long something took, several times over.
public struct Timing: Sendable {
    /// `unet.forward`, for instance.
    public let name: String
    /// What was computed, with its sizes.
    public let subject: String
    /// Of each run, in order; a first one that is not counted has made the kernels and filled the pools.
    public let seconds: [Double]
    /// Multiplications and additions of one run, those of matrix products, convolutions and attention.
    public let operations: Double
    /// Where the time of one run went.
    public let profile: [String: OperationProfile.Entry]
    /// Largest resident memory of the process so far, in bytes; 0 where the system does not say.
    public let peakMemory: Int
    /// Bytes of tensors before the runs, which are the weights, and at most during them.
    public let tensorMemory: (before: Int, most: Int)

    public var median: Double { Stopwatch.median(seconds) }

    /// GFLOP/s at the median.
    public var rate: Double { operations / median * 1e-9 }
}
