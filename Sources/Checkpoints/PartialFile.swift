import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file in the making, which appears under its name when it is complete: whoever has an older one open keeps it, and
/// nobody ever sees half of one.
///
/// Until then it has a hidden name beside it and a lock, so that what a killed process left behind can be told from what
/// another is writing, and removed. A file that is given up goes at once.
final class PartialFile {
    private let path, partial: String
    private let descriptor: Int32

    /// Starts a file that only this user can read, with room for all of it.
    ///
    /// - Throws: ``CheckpointError`` where the folder cannot be made or written to, or the disk is full.
    init(_ path: String, byteCount: Int) throws(CheckpointError) {
        let folder = (path as NSString).deletingLastPathComponent, name = (path as NSString).lastPathComponent
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw CheckpointError(.unreadable, file: folder, "cannot be made: \(error.localizedDescription)")
        }
        PartialFile.removeAbandoned(in: folder, for: name)
        self.path = path
        partial = folder + "/." + name + "." + UUID().uuidString + PartialFile.suffix
        descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("cannot be written") }
        flock(descriptor, LOCK_EX | LOCK_NB)
        try reserve(byteCount)
    }

    deinit {
        guard descriptor >= 0 else { return }
        // Gone already where it was completed.
        unlink(partial)
        close(descriptor)
    }

    private static let suffix = ".partial"

    private func failure(_ problem: String, _ code: Int32 = errno) -> CheckpointError {
        CheckpointError(.unreadable, file: path, "\(problem): \(String(cString: strerror(code)))")
    }

    /// Takes the room now: a disk that is full is noticed before anything is written.
    private func reserve(_ byteCount: Int) throws(CheckpointError) {
        // Beyond it the system would end the process with a signal.
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0, limit.rlim_cur >= UInt64(byteCount)
        else { throw failure("\(byteCount) bytes are needed", EFBIG) }
        let code = posix_fallocate(descriptor, 0, byteCount)
        guard code == 0 || code == EOPNOTSUPP || code == EINVAL else {
            throw failure("\(byteCount) bytes are needed", code)
        }
    }

    /// Appends bytes.
    ///
    /// - Throws: ``CheckpointError`` where the system refuses.
    func append(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = write(descriptor, rest.baseAddress, min(rest.count, 1 << 30))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("cannot be written") }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// Gives the file its name, once all of it is on the disk; nobody may write to it from then on, since it is read by
    /// mapping.
    ///
    /// - Throws: ``CheckpointError`` where the system refuses.
    func complete() throws(CheckpointError) {
        guard fsync(descriptor) == 0, fchmod(descriptor, 0o400) == 0, rename(partial, path) == 0 else {
            throw failure("cannot be completed")
        }
        let folder = open((path as NSString).deletingLastPathComponent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
    }

    /// Removes what processes that are no more were writing.
    private static func removeAbandoned(in folder: String, for name: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for other in names where other.hasPrefix(".\(name).") && other.hasSuffix(suffix) {
            let descriptor = open("\(folder)/\(other)", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard descriptor >= 0 else { continue }
            // A file without a lock may be one that its writer is about to lock.
            var status = stat()
            let isFresh = fstat(descriptor, &status) != 0 || status.st_mtim.tv_sec > time(nil) - 60
            if !isFresh, flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink("\(folder)/\(other)") }
            close(descriptor)
        }
    }
}
