import Foundation
import Glibc

/// Where lines go: a file that is appended to, or standard error.
public final class LineSink: Sendable {
    private let descriptor: Int32
    private let ownsDescriptor: Bool

    public static let standardError = LineSink(descriptor: STDERR_FILENO, ownsDescriptor: false)

    private init(descriptor: Int32, ownsDescriptor: Bool) {
        self.descriptor = descriptor
        self.ownsDescriptor = ownsDescriptor
    }

    /// Opens a file for appending, and makes it where there is none; several processes may share it.
    ///
    /// - Throws: ``LineSinkError``.
    public convenience init(appendingTo path: String) throws(LineSinkError) {
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw LineSinkError(path: path, errorCode: errno) }
        self.init(descriptor: descriptor, ownsDescriptor: true)
    }

    deinit {
        if ownsDescriptor { Glibc.close(descriptor) }
    }

    /// Writes a line and its end with one call where the system takes it whole, so that lines do not mix.
    ///
    /// - Returns: Whether all of it was written.
    @discardableResult
    public func write(line: [UInt8]) -> Bool {
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

/// A file that cannot be written to.
public struct LineSinkError: Error, CustomStringConvertible {
    public let path: String
    public let errorCode: Int32

    public var description: String { "cannot append to \(path): \(String(cString: strerror(errorCode)))" }
}
