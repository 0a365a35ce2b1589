import Foundation
import Glibc
import Synchronization

/// Where lines go: a file that is appended to, or standard error.
public final class LineSink: Sendable {
    /// Nil: standard error.
    private let path: String?
    private let descriptor: Mutex<Int32>

    public static let standardError = LineSink(path: nil, descriptor: STDERR_FILENO)

    private init(path: String?, descriptor: Int32) {
        self.path = path
        self.descriptor = Mutex(descriptor)
    }

    /// Opens a file for appending, and makes it where there is none; several processes may share it.
    ///
    /// - Throws: ``LineSinkError``.
    public convenience init(appendingTo path: String) throws(LineSinkError) {
        let descriptor = try Self.open(path)
        self.init(path: path, descriptor: descriptor)
    }

    private static func open(_ path: String) throws(LineSinkError) -> Int32 {
        let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw LineSinkError(path: path, errorCode: errno) }
        return descriptor
    }

    deinit {
        if path != nil { descriptor.withLock { _ = Glibc.close($0) } }
    }

    /// Opens the path again: for a file that was moved away, as logrotate does, so that what comes goes into a new one.
    ///
    /// - Throws: ``LineSinkError`` where that cannot be; lines go where they went before then.
    public func reopen() throws(LineSinkError) {
        guard let path else { return }
        let new = try Self.open(path)
        let old = descriptor.withLock { descriptor in
            defer { descriptor = new }
            return descriptor
        }
        Glibc.close(old)
    }

    /// Writes a line and its end with one call where the system takes it whole, so that lines do not mix.
    ///
    /// - Returns: Whether all of it was written.
    @discardableResult
    public func write(line: [UInt8]) -> Bool {
        // Under the lock: the file must not be closed meanwhile.
        descriptor.withLock { descriptor in
            var rest = (line + [UInt8(ascii: "\n")])[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = rest.dropFirst(count)
            }
            return true
        }
    }
}

/// A file that cannot be written to.
public struct LineSinkError: Error, CustomStringConvertible {
    public let path: String
    public let errorCode: Int32

    public var description: String { "cannot append to \(path): \(String(cString: strerror(errorCode)))" }
}
