import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Which files a folder holds, as far as the system says without reading them: names, sizes, places on the disk and times
/// of the last change, which no program can set back.
///
/// Equal stamps mean equal content: gigabytes need not be read again to know their fingerprint.
struct FolderStamp: Sendable, Hashable {
    let text: String

    /// - Parameter now: Seconds since 1970.
    /// - Returns: nil where a file changed within the last two seconds, which is as fine as some systems' times are; or
    ///   where one cannot be looked at.
    init?(_ folder: String, now: Int) {
        var lines: [String] = []
        for name in Fingerprint.names(in: folder) {
            var status = stat()
            guard stat(folder + "/" + name, &status) == 0, status.st_ctim.tv_sec < now - 2 else { return nil }
            let times = [status.st_mtim, status.st_ctim].map { "\($0.tv_sec).\($0.tv_nsec)" }
            lines.append("\(name) \(status.st_size) \(status.st_ino) \(times)")
        }
        text = Fingerprint(of: lines.joined(separator: "\n")).description
    }
}
