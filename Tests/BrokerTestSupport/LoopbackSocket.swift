import Glibc

/// Sockets on 127.0.0.1 that do not block.
enum LoopbackSocket {
    /// A listening socket on a port that the system chooses.
    static func listen() throws -> (descriptor: Int32, port: UInt16) {
        let listener = try make()
        var address = address(port: 0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && Glibc.listen(listener, 64) == 0
                    ? getsockname(listener, $0, &size) : -1
            }
        }
        guard status == 0 else {
            close(listener)
            throw ProxyError("no port")
        }
        return (listener, UInt16(bigEndian: address.sin_port))
    }

    /// A port that the system has just had free.
    static func freePort() throws -> UInt16 {
        let (listener, port) = try listen()
        close(listener)
        return port
    }

    /// Connects; nil where nobody listens.
    static func connect(port: UInt16) -> Int32? {
        guard let descriptor = try? make() else { return nil }
        var address = address(port: port)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if status == 0 { return descriptor }
        // On the loopback interface the answer comes at once, or at most when the listener's backlog has room.
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        var (error, size) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
        guard errno == EINPROGRESS, poll(&waiting, 1, 5000) == 1,
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0, error == 0
        else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    /// Makes a descriptor not block, and not go to other programs.
    static func unblock(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    /// Closes with a reset instead of a FIN.
    static func reset(_ descriptor: Int32) {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        close(descriptor)
    }

    private static func make() throws -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_INET, type, 0)
        guard descriptor >= 0 else { throw ProxyError("no socket") }
        return descriptor
    }

    private static func address(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }
}
