internal import COpenBLAS

/// The processor this program runs on: kernels of `CKernels`, matrix products of OpenBLAS, convolutions of oneDNN where
/// it is the faster one, work split over its cores.
///
/// OpenBLAS is held to one thread per call and the split is ours: its own threads would compete with ours for the same
/// cores, and two of its multi-threaded calls at a time can corrupt each other (OpenBLAS #5836).
public final class CPU: Device {
    /// The one device of the process.
    public static let shared = CPU(
        threads: CPU.availableCores(), convolution: ConvolutionProvider.named())

    /// Cores that operations may use.
    public let cores: Int

    /// The most threads for each operation of the current task or thread; nil for one per core.
    ///
    /// Small pictures gain little from a second thread: several of them at once, one thread each, are done sooner.
    @TaskLocal public static var threadLimit: Int?

    /// Who is told what the operations of the current task or thread take; nobody by default.
    @TaskLocal public static var profile: OperationProfile?

    /// Threads that an operation is split over.
    public var threads: Int { min(cores, max(1, CPU.threadLimit ?? cores)) }

    /// Who computes convolutions.
    public let convolutionProvider: ConvolutionProvider

    private let team: ThreadTeam

    /// What OpenBLAS chose for this processor, `Haswell` or `Cooperlake` for instance.
    public var coreName: String { String(cString: openblas_get_corename()) }

    init(threads: Int, convolution: ConvolutionProvider = .automatic) {
        cores = max(1, threads)
        team = ThreadTeam(helpers: cores - 1)
        convolutionProvider = convolution
        openblas_set_num_threads(1)
    }

    public var memoryInUse: Int { Arena.shared.used }

    public func limitMemory(to bytes: Int) { Arena.shared.limit(to: bytes) }

    public func watchMemory() -> MemoryPeak { MemoryPeak(Arena.shared) }

    /// Gives memory that operations keep for the next of their size back to the system: for the end of a job.
    public func releaseUnusedMemory() { Arena.shared.trim() }

    /// Splits `0..<count` into ranges that threads take one after the other, at once; in line where the work is small.
    ///
    /// A thread whose core is slow, or busy with something else, takes fewer. The ranges depend on the number of threads
    /// and on nothing that happens while they run.
    ///
    /// - Parameter grain: The least worth a range of its own, in units of `count`.
    func split(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        splitNumbered(count, grain: grain) { range, _ in body(range) }
    }

    /// The same, with memory for each thread.
    func split(
        _ count: Int, grain: Int, _ scratch: Scratch, _ body: (Range<Int>, UnsafeMutableRawPointer) -> Void
    ) {
        splitNumbered(count, grain: grain) { range, thread in body(range, scratch.part(thread)) }
    }

    private func splitNumbered(_ count: Int, grain: Int, _ body: (Range<Int>, Int) -> Void) {
        let most = max(1, count / max(1, grain)), takers = min(threads, most)
        guard takers > 1 else { return body(0..<count, 0) }
        let ranges = min(most, CPU.rangesPerThread * takers)
        withoutActuallyEscaping(body) { body in
            team.run(ranges: ranges, takers: takers) { range, thread in
                body(count * range / ranges..<count * (range + 1) / ranges, thread)
            }
        }
    }

    /// Ranges for each thread: what the last one takes is a sixteenth of two threads' work.
    private static let rangesPerThread = 8

    /// Elements below which a second thread costs more than it gains.
    static let elementGrain = 1 << 14

    /// The same for multiplications of our own products and oneDNN's.
    static let productGrain = 1 << 19
}

/// A matrix in memory as a factor of a product.
struct Factor {
    let pointer: UnsafePointer<Float>
    /// Floats between rows as they lie in memory.
    let rowStride: Int
    let isTransposed: Bool

    init(_ pointer: UnsafePointer<Float>, rowStride: Int, transposed: Bool = false) {
        (self.pointer, self.rowStride, isTransposed) = (pointer, rowStride, transposed)
    }
}

/// Single-precision matrix product, row major: C = op(A) op(B) + beta C, on the calling thread.
func multiply(
    _ a: Factor, _ b: Factor, into c: UnsafeMutablePointer<Float>, rowStride: Int, rows m: Int, columns n: Int,
    inner k: Int, beta: Float = 0
) {
    guard m > 0, n > 0 else { return }
    cblas_sgemm(
        CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
        blasint(m), blasint(n), blasint(k), 1, a.pointer, blasint(a.rowStride), b.pointer, blasint(b.rowStride), beta,
        c,
        blasint(rowStride))
}
