import Glibc

/// A TCP socket that does not block; closed with its last reference.
final class Socket: Sendable {
    let descriptor: Int32

    init(owning descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit { Glibc.close(descriptor) }

    /// What a read or write came to.
    enum Outcome: Equatable {
        case bytes(Int)
        case wouldBlock
        case ended
    }

    /// Reads what there is, at most `limit` bytes, and appends it.
    func read(into bytes: inout [UInt8], limit: Int) -> Outcome {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &buffer, limit, Int32(MSG_DONTWAIT))
        if count > 0 {
            bytes.append(contentsOf: buffer[..<count])
            return .bytes(count)
        }
        return count < 0 && Self.isPassing(errno) ? .wouldBlock : .ended
    }

    func write(_ bytes: ArraySlice<UInt8>) -> Outcome {
        let count = bytes.withUnsafeBytes {
            // A peer that is gone must not end the process with SIGPIPE.
            send(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
        }
        if count >= 0 { return .bytes(count) }
        return Self.isPassing(errno) ? .wouldBlock : .ended
    }

    /// Says that nothing more will be sent.
    func endWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

    private static func isPassing(_ code: Int32) -> Bool { code == EAGAIN || code == EWOULDBLOCK || code == EINTR }

    // MARK: Listening

    /// Listens on an address of this machine.
    ///
    /// - Parameters:
    ///   - host: A numeric IPv4 or IPv6 address, or a name that resolves.
    ///   - port: 0: one that the system chooses.
    /// - Throws: ``HTTPServerError``.
    static func listen(host: String, port: UInt16) throws(HTTPServerError) -> Socket {
        var code = EADDRNOTAVAIL
        for address in try addresses(host: host, port: port, isPassive: true) {
            let socket = Socket(
                owning: Glibc.socket(address.family, Int32(SOCK_STREAM.rawValue) | openFlags, 0))
            guard socket.descriptor >= 0 else {
                code = errno
                continue
            }
            var one: Int32 = 1
            setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
            let isBound = address.withPointer { bind(socket.descriptor, $0, $1) } == 0
            guard isBound, Glibc.listen(socket.descriptor, 64) == 0 else {
                code = errno
                continue
            }
            return socket
        }
        throw HTTPServerError(host: host, port: port, problem: String(cString: strerror(code)))
    }

    /// The port that the system chose.
    var port: UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let isKnown = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard isKnown == 0 else { return 0 }
        // The port has the same place in both families' addresses.
        return withUnsafeBytes(of: storage) { UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)) }
    }

    /// What accepting a connection came to.
    enum Acceptance {
        case connection(Socket)
        case none
        /// The process or the system has no descriptors left.
        case exhausted
    }

    func accept() -> Acceptance {
        let descriptor = Glibc.accept(descriptor, nil, nil)
        if descriptor >= 0 {
            setNonBlocking(descriptor)
            return .connection(Socket(owning: descriptor))
        }
        switch errno {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
        default: return .none
        }
    }

    private static var openFlags: Int32 { Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue) }

    // MARK: Connecting

    /// Connects, waiting at most until `deadline`.
    static func connect(
        host: String, port: UInt16, before deadline: ContinuousClock.Instant
    ) throws(HTTPServerError) -> Socket {
        var code = ECONNREFUSED
        for address in try addresses(host: host, port: port, isPassive: false) {
            let socket = Socket(
                owning: Glibc.socket(address.family, Int32(SOCK_STREAM.rawValue) | openFlags, 0))
            if address.withPointer({ Glibc.connect(socket.descriptor, $0, $1) }) == 0 { return socket }
            code = errno
            guard code == EINPROGRESS else { continue }
            guard socket.wait(for: POLLOUT, before: deadline) else {
                code = ETIMEDOUT
                continue
            }
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(socket.descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
            if code == 0 { return socket }
        }
        throw HTTPServerError(host: host, port: port, problem: String(cString: strerror(code)))
    }

    /// Waits until the socket can be read or written.
    func wait(for events: Int32, before deadline: ContinuousClock.Instant) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        while true {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { return false }
            let count = poll(&entry, 1, left.pollMilliseconds)
            if count > 0 { return true }
            if count < 0, errno != EINTR { return false }
        }
    }

    // MARK: Addresses

    private struct Address {
        var family: Int32
        var bytes: [UInt8]

        func withPointer(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
            bytes.withUnsafeBytes { raw in
                guard let base = raw.baseAddress else { return -1 }
                return body(base.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
            }
        }
    }

    private static func addresses(host: String, port: UInt16, isPassive: Bool) throws(HTTPServerError) -> [Address] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (isPassive ? AI_PASSIVE : 0)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else {
            throw HTTPServerError(host: host, port: port, problem: String(cString: gai_strerror(code)))
        }
        defer { freeaddrinfo(list) }
        var addresses: [Address] = []
        var next = list
        while let entry = next?.pointee {
            if let address = entry.ai_addr {
                let bytes = UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen))
                addresses.append(Address(family: entry.ai_family, bytes: Array(bytes)))
            }
            next = entry.ai_next
        }
        return addresses
    }
}

/// Makes calls on a descriptor return at once, and keeps it from programs that this one starts.
func setNonBlocking(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
}

/// An address that cannot be listened on or connected to.
public struct HTTPServerError: Error, CustomStringConvertible {
    public let host: String
    public let port: UInt16
    public let problem: String

    public init(host: String, port: UInt16, problem: String) {
        self.host = host
        self.port = port
        self.problem = problem
    }

    public var description: String { "\(host) port \(port): \(problem)" }
}

extension Duration {
    /// For poll(2): rounded up, so that nobody wakes too early and asks again.
    var pollMilliseconds: Int32 {
        let (seconds, attoseconds) = components
        return Int32(clamping: max(seconds, 0) * 1000 + max(attoseconds, 0) / 1_000_000_000_000_000 + 1)
    }
}
