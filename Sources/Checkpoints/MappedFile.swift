#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A regular file mapped read-only into memory; unmapped with its last owner.
///
/// Mapped and not read, so that processes of one machine share the pages of one file, and weights that a job never
/// touches are never loaded. The descriptor is closed at once: an open model costs no descriptor. The price is that a
/// file *truncated in place* while mapped raises SIGBUS at the next read past its new end, which no check here can
/// prevent; replace model files by renaming a new file over the old one (as ``Safetensors/write(_:metadata:to:)`` does),
/// which leaves the mapping with the old content.
final class MappedFile: Sendable {
    let path: String
    let byteCount: Int
    private nonisolated(unsafe) let base: UnsafeMutableRawPointer

    /// The content, valid as long as the object lives: keep the object wherever the pointer goes.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

    /// Maps a file.
    ///
    /// - Parameter ownOnly: Refuses a link, a file of another user than this one and root, and one that others may
    ///   write to.
    /// - Throws: ``CheckpointError`` where the file is absent, empty, not a regular file or cannot be mapped.
    init(_ path: String, ownOnly: Bool = false) throws(CheckpointError) {
        // Not blocking: a pipe in the place of a file would otherwise hold this thread until somebody writes to it.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (ownOnly ? O_NOFOLLOW : 0))
        guard descriptor >= 0 else {
            throw CheckpointError(.unreadable, file: path, "cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw CheckpointError(.unreadable, file: path, "cannot be examined: \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CheckpointError(.unreadable, file: path, "is not a regular file")
        }
        if ownOnly {
            guard [geteuid(), 0].contains(status.st_uid), status.st_mode & (S_IWGRP | S_IWOTH) == 0 else {
                throw CheckpointError(.unreadable, file: path, "belongs to another user, or others may write to it")
            }
        }
        guard let size = Int(exactly: status.st_size), size > 0 else {
            throw CheckpointError(.malformed, file: path, "is empty")
        }
        guard let base = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
            throw CheckpointError(
                .unreadable, file: path, "cannot be mapped into memory: \(String(cString: strerror(errno)))")
        }
        self.path = path
        self.byteCount = size
        self.base = base
    }

    deinit { munmap(base, byteCount) }
}
