import Foundation

/// Memory that this process has, in bytes.
public enum ResidentMemory {
    /// Now; 0 where the system does not say.
    public static var bytes: Int {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (pages.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    }
}
