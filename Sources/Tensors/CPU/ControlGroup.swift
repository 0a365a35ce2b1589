import Foundation

/// What Linux' control groups say of this process, of version 2 or 1, as a container sees its own.
enum ControlGroup {
    /// - Parameter file: `memory.max` for instance.
    /// - Returns: What it holds; nil where there is none.
    static func contents(_ file: String) -> String? {
        try? String(contentsOfFile: "/sys/fs/cgroup/" + file, encoding: .utf8)
    }
}
