import Glibc

/// Objects as files in a folder that clients and workers share: one machine, or a network file system.
///
/// The key's parts are folders and the file's name. Symbolic links below the root are never followed, so that whoever may
/// write there cannot have a worker read elsewhere. Files are written beside their place, flushed and renamed into it.
/// An object and a folder cannot have the same name: where `a/b` is, `a` cannot be put.
public struct FileSystemStore: ObjectStore {
    private let root: Descriptor
    private let path: String
    private let permissions: Permissions

    /// Bits of new folders and files, before the process' umask.
    public struct Permissions: Sendable {
        public var folder: UInt32
        public var file: UInt32

        /// Pictures of people: nothing for others.
        public static let ownerAndGroup = Permissions(folder: 0o750, file: 0o640)

        public init(folder: UInt32, file: UInt32) {
            self.folder = folder
            self.file = file
        }
    }

    /// - Parameter root: The folder; must exist. A link here is followed, since it is the operator's word.
    /// - Throws: `.misconfigured`, `.accessDenied`.
    public init(root: String, permissions: Permissions = .ownerAndGroup) throws(ObjectStoreError) {
        let descriptor = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw errno == EACCES
                ? .accessDenied("the folder \(root) may not be read")
                : .misconfigured("the folder \(root): \(Self.words(errno)); create it first")
        }
        self.root = Descriptor(descriptor)
        self.permissions = permissions
        path = root
    }

    public var name: String { "folder \(path)" }

    public func put(_ bytes: [UInt8], at key: ObjectKey, contentType: String) async throws(ObjectStoreError) {
        try await run { () throws(ObjectStoreError) in
            let folder = try self.folder(of: key, creating: true)
            // A character that no key has: a temporary file is never an object.
            let temporary = "#\(String(UInt64.random(in: .min ... .max), radix: 36))"
            let file = Descriptor(
                openat(
                    folder.number, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    self.permissions.file))
            guard file.number >= 0 else { throw self.failure(key, isWriting: true) }
            do throws(ObjectStoreError) {
                try self.write(bytes, to: file, key)
                guard fsync(file.number) == 0,
                    renameat(folder.number, temporary, folder.number, key.parts.last ?? "") == 0
                else { throw self.failure(key, isWriting: true) }
            } catch {
                unlinkat(folder.number, temporary, 0)
                throw error
            }
            try self.flush(folder, key)
        }
    }

    public func get(_ key: ObjectKey, limit: Int) async throws(ObjectStoreError) -> [UInt8] {
        try await run { () throws(ObjectStoreError) in
            // Not waiting: opening a pipe would hang until somebody writes.
            let folder = try self.folder(of: key, creating: false)
            let file = Descriptor(
                openat(folder.number, key.parts.last ?? "", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC))
            guard file.number >= 0 else { throw self.failure(key) }
            var status = stat()
            guard fstat(file.number, &status) == 0 else { throw self.failure(key) }
            let size = try self.size(status, key)
            guard size <= limit else { throw .tooLarge(key, bytes: size, limit: limit) }
            return try self.read(file, key, size: size)
        }
    }

    public func size(of key: ObjectKey) async throws(ObjectStoreError) -> Int? {
        do throws(ObjectStoreError) {
            return try await run { () throws(ObjectStoreError) in
                let folder = try self.folder(of: key, creating: false)
                var status = stat()
                guard fstatat(folder.number, key.parts.last ?? "", &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                    throw self.failure(key)
                }
                return try self.size(status, key)
            }
        } catch .notFound {
            return nil
        }
    }

    public func delete(_ key: ObjectKey) async throws(ObjectStoreError) {
        do throws(ObjectStoreError) {
            try await run { () throws(ObjectStoreError) in
                let folder = try self.folder(of: key, creating: false)
                guard unlinkat(folder.number, key.parts.last ?? "", 0) == 0 else {
                    // A folder of this name is no object.
                    throw errno == EISDIR ? .notFound(key) : self.failure(key)
                }
                try self.flush(folder, key)
            }
        } catch .notFound {}
    }
}

extension FileSystemStore {
    /// A file descriptor, closed with its last owner.
    private final class Descriptor: Sendable {
        let number: Int32

        init(_ number: Int32) { self.number = number }

        deinit { if number >= 0 { close(number) } }
    }

    private func run<Value: Sendable>(
        _ work: @escaping @Sendable () throws(ObjectStoreError) -> Value
    ) async throws(ObjectStoreError) -> Value {
        try await BlockingThread.run("folder") { Result(catching: work) }.get()
    }

    /// Walks to the folder of a key, one part at a time, so that no part can be a link.
    private func folder(of key: ObjectKey, creating: Bool) throws(ObjectStoreError) -> Descriptor {
        var folder = root
        for part in key.parts.dropLast() {
            let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
            var next = Descriptor(openat(folder.number, part, flags))
            if next.number < 0, errno == ENOENT, creating {
                guard mkdirat(folder.number, part, permissions.folder) == 0 || errno == EEXIST else {
                    throw failure(key, isWriting: true)
                }
                try flush(folder, key)
                next = Descriptor(openat(folder.number, part, flags))
            }
            guard next.number >= 0 else { throw failure(key, isWriting: creating) }
            folder = next
        }
        return folder
    }

    /// Makes the names in a folder last.
    private func flush(_ folder: Descriptor, _ key: ObjectKey) throws(ObjectStoreError) {
        // Some network file systems have nothing to flush for a folder, and say so.
        guard fsync(folder.number) == 0 || errno == EINVAL else { throw failure(key, isWriting: true) }
    }

    private func write(_ bytes: [UInt8], to file: Descriptor, _ key: ObjectKey) throws(ObjectStoreError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                let rest = $0[written...]
                return Glibc.write(file.number, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            }
            guard count > 0 || errno == EINTR else { throw failure(key, isWriting: true) }
            written += max(count, 0)
        }
    }

    private func size(_ status: stat, _ key: ObjectKey) throws(ObjectStoreError) -> Int {
        // Folders, links, pipes and devices are no objects.
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notFound(key) }
        return Int(status.st_size)
    }

    /// Reads what the file had when it was opened; files here are replaced, not changed.
    private func read(_ file: Descriptor, _ key: ObjectKey, size: Int) throws(ObjectStoreError) -> [UInt8] {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
            while filled < size {
                let count = Glibc.read(
                    file.number, UnsafeMutableBufferPointer(rebasing: buffer[filled..<size]).baseAddress, size - filled)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    failed = count < 0
                    return
                }
                filled += count
            }
        }
        if failed { throw failure(key) }
        return bytes
    }

    /// The error that `errno` means for a key.
    private func failure(_ key: ObjectKey, isWriting: Bool = false) -> ObjectStoreError {
        let code = errno
        switch code {
        case ENAMETOOLONG: return .invalidKey(key.text, allowed: "parts of at most 255 characters in a \(name)")
        case EACCES, EPERM, EROFS: return .accessDenied("'\(key)' in \(path): \(Self.words(code))")
        case _ where isWriting && [ENOTDIR, ELOOP, EISDIR, EEXIST, ENOTEMPTY].contains(code):
            return .invalidKey(key.text, allowed: "a key without a link in it, and not both an object and a folder")
        case ENOTDIR, ELOOP: return .notFound(key)
        case ENOENT where !isWriting: return .notFound(key)
        default: return .unavailable("'\(key)' in \(path): \(Self.words(code))")
        }
    }

    private static func words(_ code: Int32) -> String { String(cString: strerror(code)) }
}
