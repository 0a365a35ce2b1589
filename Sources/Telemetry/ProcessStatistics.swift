import Foundation
import Glibc

/// What the system knows of this process, under the names that Prometheus' own libraries use.
public enum ProcessStatistics {
    /// Adds memory, processor time, open files and start time.
    public static func register(in registry: MetricRegistry) {
        registry.gauge("process_resident_memory_bytes", "Resident memory of the process.") { one(residentBytes) }
        registry.counter("process_cpu_seconds_total", "Processor time of the process, user and system.") {
            one(processorSeconds)
        }
        registry.gauge("process_open_fds", "Open file descriptors.") { one(openFiles) }
        registry.gauge("process_max_fds", "Limit of open file descriptors.") { one(maximumFiles) }
        let start = Date().timeIntervalSince1970
        registry.gauge("process_start_time_seconds", "When the process started, seconds since 1970.") {
            [([], start)]
        }
    }

    /// Resident memory in bytes; nil where /proc does not tell.
    public static var residentBytes: Double? {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return nil }
        let fields = text.split(separator: " ")
        guard fields.count > 1, let pages = Double(fields[1]) else { return nil }
        return pages * Double(sysconf(Int32(_SC_PAGESIZE)))
    }

    private static var processorSeconds: Double? {
        var usage = rusage()
        guard getrusage(RUSAGE_SELF.rawValue, &usage) == 0 else { return nil }
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private static var openFiles: Double? {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")).map { Double($0.count) }
    }

    private static var maximumFiles: Double? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return Double(limit.rlim_cur)
    }

    private static func one(_ value: Double?) -> [([String], Double)] { value.map { [([], $0)] } ?? [] }
}
