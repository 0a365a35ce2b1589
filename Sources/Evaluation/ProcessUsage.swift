import Foundation

/// What this process took of the machine so far.
public enum ProcessUsage {
    /// Of all threads; other programs on the same cores do not count.
    public static var processorSeconds: Double { Double(clock()) / 1e6 }

    /// The most memory that was ever resident, in bytes; nil where the system does not say.
    public static var peakBytes: Int? {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first
        else { return nil }
        return Int(kilobytes).map { $0 << 10 }
    }
}
