import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension CPU {
    /// Cores that this process may use: `RECTIFID_THREADS`, or those of its affinity mask, or fewer where its control
    /// group's quota of processor time says so.
    ///
    /// More threads than the quota pays for are all stopped for the rest of every period. A process that is bound to the
    /// cores of one memory node, by `numactl` for instance, keeps its threads and what they touch first there.
    static func availableCores() -> Int {
        if let text = getenv("RECTIFID_THREADS"), let wanted = Int(String(cString: text)), wanted > 0 {
            return min(wanted, 256)
        }
        let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let allowed = status.flatMap(coresOfAffinity) ?? sysconf(Int32(_SC_NPROCESSORS_ONLN))
        return max(1, min(allowed, coresOfQuota(ControlGroup.contents) ?? .max))
    }

    /// Cores that a process may run on; glibc's sysconf(3) counts those of the machine.
    ///
    /// - Parameter status: What `/proc/PID/status` holds: a line `Cpus_allowed_list: 0-3,8` among others.
    static func coresOfAffinity(_ status: String) -> Int? {
        let name = "Cpus_allowed_list:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        let ranges = line.dropFirst(name.count).split(separator: ",").map { range in
            range.split(separator: "-").map { Int($0.trimmingCharacters(in: .whitespaces)) ?? -1 }
        }
        guard !ranges.isEmpty else { return nil }
        var cores = 0
        for range in ranges {
            guard let first = range.first, let last = range.last, first >= 0, last >= first, last < 1 << 16 else {
                return nil
            }
            cores += last - first + 1
        }
        return cores
    }

    /// Cores' worth of time that a control group of version 2 or 1 may take, rounded up; nil where it has no limit.
    ///
    /// - Parameter contents: What a file of the group holds.
    static func coresOfQuota(_ contents: (String) -> String?) -> Int? {
        func numbers(_ file: String) -> [Int]? {
            contents(file)?.split(whereSeparator: \.isWhitespace).map { Int($0) ?? -1 }
        }
        let second = numbers("cpu.max")
        let first = (numbers("cpu/cpu.cfs_quota_us") ?? []) + (numbers("cpu/cpu.cfs_period_us") ?? [])
        let limit = second ?? first
        // No limit is the word "max", or -1.
        guard limit.count == 2, limit[0] > 0, limit[1] > 0 else { return nil }
        return (limit[0] - 1) / limit[1] + 1
    }
}
