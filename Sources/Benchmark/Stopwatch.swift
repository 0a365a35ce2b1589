import Foundation
import Tensors

/// Runs things and takes their time.
struct Stopwatch {
    /// Counted runs of each.
    let repetitions: Int

    /// Measures `body`, after one run that is not counted and whose profile is kept.
    func measure(_ name: String, _ subject: String, _ body: () throws -> Void) throws -> Timing {
        let profile = OperationProfile()
        try CPU.$profile.withValue(profile) { try body() }
        let operations = profile.entries.values.reduce(0) { $0 + $1.operations }
        // The first run prepares weights and kernels: where the time goes is asked of a later one.
        var seconds: [Double] = []
        let before = CPU.shared.memoryInUse
        let peak = CPU.shared.watchMemory()
        let steady = OperationProfile()
        for index in 0..<max(1, repetitions) {
            let start = ContinuousClock.now
            if index == 0 { try CPU.$profile.withValue(steady) { try body() } } else { try body() }
            let time = (ContinuousClock.now - start).components
            seconds.append(Double(time.seconds) + Double(time.attoseconds) * 1e-18)
        }
        return Timing(
            name: name, subject: subject, seconds: seconds, operations: operations, profile: steady.entries,
            peakMemory: Stopwatch.peakMemory, tensorMemory: (before, peak.bytes))
    }

    static func median(_ seconds: [Double]) -> Double {
        let sorted = seconds.sorted(), middle = sorted.count / 2
        guard !sorted.isEmpty else { return .nan }
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// `VmHWM` of Linux, in bytes.
    private static var peakMemory: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }.map { $0 << 10 } ?? 0
    }
}
