import Benchmark
import Foundation
import Tensors

/// What `rectifid benchmark` prints: lines for people, or an object of JSON for each timing.
struct BenchmarkReport {
    let precision: Precision
    /// What the machine can do at most, where shares of it are printed.
    let peak: MachinePeak?
    /// Whether to say where the time goes.
    let profile: Bool
    let json: Bool

    /// What is measured on.
    func printMachine(_ threads: Int?) {
        if json {
            guard let peak else { return }
            return JSONOutput.printLine(
                Peak(
                    gigaflops: Dictionary(uniqueKeysWithValues: peak.operations.map { ($0.rawValue, $1 * 1e-9) }),
                    readGigabytes: peak.readBytes * 1e-9, copiedGigabytes: peak.copiedBytes * 1e-9,
                    threads: CPU.shared.threads))
        }
        Swift.print(
            "\(CPU.shared.cores) cores, \(threads.map { "\($0) threads, " } ?? "")OpenBLAS for \(CPU.shared.coreName)")
        guard let peak else { return }
        let rates = Precision.allCases.map { String(format: "%@ %.0f", $0.rawValue, (peak.operations[$0] ?? 0) * 1e-9) }
        Swift.print(
            String(
                format: "peaks: %@ GFLOP/s; memory: reading %.1f, copying %.1f GB/s", rates.joined(separator: ", "),
                peak.readBytes * 1e-9, peak.copiedBytes * 1e-9))
    }

    func print(_ timing: Timing) {
        if json { return printJSON(timing) }
        let (low, high) = (timing.seconds.min() ?? 0, timing.seconds.max() ?? 0)
        Swift.print(
            String(
                format: """
                    %@: %.3f s (%.3f to %.3f), %.0f GFLOP at %.0f GFLOP/s; weights %.2f GB, all tensors %.2f GB, process \
                    %.2f GB; %@
                    """,
                timing.name,
                timing.median, low, high, timing.operations * 1e-9, timing.rate,
                Double(timing.tensorMemory.before) * 1e-9, Double(timing.tensorMemory.most) * 1e-9,
                Double(timing.peakMemory) * 1e-9, timing.subject))
        guard profile else { return }
        for (kind, entry) in timing.profile.sorted(by: { $0.value.seconds > $1.value.seconds }) {
            Swift.print(
                String(format: "    %@: %.3f s in %d calls, ", kind, entry.seconds, entry.count)
                    + rates(entry.operations, entry.bytes, entry.seconds)
                    + (share(entry).map { String(format: ", %.0f %% of the peak", 100 * $0) } ?? ""))
        }
    }

    func print(_ timings: [OperationTiming]) {
        for timing in timings {
            if json {
                JSONOutput.printLine(Operation(timing))
                continue
            }
            Swift.print(
                String(
                    format: "%@: %8.3f s = %3d x %9.6f s, %@, %3.0f %% of the peak; ", timing.network, timing.total,
                    timing.count, timing.seconds, rates(timing.operations, timing.bytes, timing.seconds),
                    100 * timing.shareOfPeak)
                    + "\(timing.call.kind) of \(timing.call.shapes), \(timing.call.precision.rawValue)")
        }
    }

    /// How fast something is.
    private func rates(_ operations: Double, _ bytes: Double, _ seconds: Double) -> String {
        let memory = String(format: "%.1f MB at %.1f GB/s", bytes * 1e-6, bytes / seconds * 1e-9)
        return operations > 0 ? String(format: "%.0f GFLOP/s, ", operations / seconds * 1e-9) + memory : memory
    }

    /// The least time of a kind of operation as a share of what it took.
    private func share(_ entry: OperationProfile.Entry) -> Double? {
        peak.map { $0.seconds(operations: entry.operations, precision, bytes: entry.bytes) / entry.seconds }
    }

    private func printJSON(_ timing: Timing) {
        JSONOutput.printLine(
            Document(
                name: timing.name, subject: timing.subject, seconds: timing.seconds,
                median: timing.median,
                gigaflops: timing.operations * 1e-9, peakMemoryBytes: timing.peakMemory,
                weightBytes: timing.tensorMemory.before, tensorBytes: timing.tensorMemory.most,
                cores: CPU.shared.threads, blas: CPU.shared.coreName,
                profile: timing.profile.mapValues {
                    .init(
                        calls: $0.count, seconds: $0.seconds, gigaflops: $0.operations * 1e-9, bytes: $0.bytes,
                        shareOfPeak: share($0))
                }))
    }

    private struct Document: Encodable {
        struct Entry: Encodable {
            let calls: Int
            let seconds, gigaflops, bytes: Double
            let shareOfPeak: Double?
        }

        let name, subject: String
        let seconds: [Double]
        let median, gigaflops: Double
        let peakMemoryBytes, weightBytes, tensorBytes, cores: Int
        let blas: String
        let profile: [String: Entry]
    }

    private struct Peak: Encodable {
        var name = "peak"
        /// A second, in each format.
        let gigaflops: [String: Double]
        let readGigabytes, copiedGigabytes: Double
        let threads: Int
    }

    private struct Operation: Encodable {
        var name = "operation"
        let network, operation, shapes, precision: String
        let calls: Int
        let seconds, totalSeconds, gigaflops, gigaflopsPerSecond, bytes, gigabytesPerSecond, shareOfPeak: Double

        init(_ timing: OperationTiming) {
            (network, operation, shapes) = (timing.network, timing.call.kind, timing.call.shapes)
            (precision, calls) = (timing.call.precision.rawValue, timing.count)
            (seconds, totalSeconds, bytes) = (timing.seconds, timing.total, timing.bytes)
            gigaflops = timing.operations * 1e-9
            gigaflopsPerSecond = timing.operations / timing.seconds * 1e-9
            gigabytesPerSecond = timing.bytes / timing.seconds * 1e-9
            shareOfPeak = timing.shareOfPeak
        }
    }
}
