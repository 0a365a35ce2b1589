#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif
import Foundation

extension CPU {
    /// Bytes of memory that this process may take: the machine's, or less where its control group says so.
    public static let memoryLimit: Int = {
        let physical = max(1 << 28, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))
        // Of version 2 and version 1; "max" is no number.
        let limits = ["memory.max", "memory/memory.limit_in_bytes"].compactMap { file in
            ControlGroup.contents(file).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        }
        return limits.filter { $0 > 0 }.reduce(physical, min)
    }()
}
