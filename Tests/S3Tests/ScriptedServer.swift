import Foundation
import Glibc
import Synchronization
import Testing

/// An HTTP server on the loopback interface that does to each request, in turn, what a test says: the failures that a
/// real one is hard to bring to.
final class ScriptedServer: Sendable {
    enum Reaction: Sendable {
        /// Sends these bytes and waits for the next request on the same connection.
        case send(String)
        /// Sends these bytes and ends the connection.
        case sendAndClose(String)
        /// Says nothing until the client ends the connection.
        case hang
        /// Sends a header, then a body that never ends.
        case flood(String)
    }

    private struct State {
        var reactions: [Reaction]
        var heads: [String] = []
        var connections = 0
    }

    let port: UInt16
    private let listener: Int32
    private let state: Mutex<State>

    /// - Parameter reactions: One for each request; the last stands for all further ones.
    init(_ reactions: [Reaction]) throws {
        state = Mutex(State(reactions: reactions))
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        try #require(isBound)
        port = UInt16(bigEndian: address.sin_port)
        self.listener = listener
        Thread.detachNewThread { [self] in acceptAll() }
    }

    /// Request lines and headers, in order of arrival.
    var heads: [String] { state.withLock { $0.heads } }
    var connections: Int { state.withLock { $0.connections } }

    /// Ends ``acceptAll()``.
    func close() { shutdown(listener, Int32(SHUT_RDWR)) }

    private func acceptAll() {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { break }
            state.withLock { $0.connections += 1 }
            Thread.detachNewThread { [self] in
                serve(connection)
                Glibc.close(connection)
            }
        }
        Glibc.close(listener)
    }

    private func serve(_ connection: Int32) {
        while let head = readHead(connection) {
            let reaction = state.withLock { state in
                state.heads.append(head)
                return state.reactions.count > 1 ? state.reactions.removeFirst() : state.reactions[0]
            }
            switch reaction {
            case .send(let text): guard send(text, connection) else { return }
            case .sendAndClose(let text):
                _ = send(text, connection)
                return
            case .hang:
                var byte: UInt8 = 0
                while recv(connection, &byte, 1, 0) > 0 {}
                return
            case .flood(let header):
                var isOpen = send(header, connection)
                while isOpen { isOpen = send(String(repeating: "x", count: 65_536), connection) }
                return
            }
        }
    }

    /// Reads one request, and its body where its length is given.
    private func readHead(_ connection: Int32) -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while !bytes.suffix(4).elementsEqual([13, 10, 13, 10]) {
            guard recv(connection, &byte, 1, 0) == 1 else { return nil }
            bytes.append(byte)
        }
        let head = String(decoding: bytes, as: UTF8.self)
        let length =
            head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
            .flatMap { Int($0.dropFirst(15).trimmingPrefix(while: { $0 == " " })) } ?? 0
        for _ in 0..<length where recv(connection, &byte, 1, 0) != 1 { return nil }
        return head
    }

    private func send(_ text: String, _ connection: Int32) -> Bool {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                let rest = UnsafeRawBufferPointer(rebasing: $0[sent...])
                return Glibc.send(connection, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }
}

/// A clock on which no time needs to pass, and which writes down what was to be waited for.
final class InstantClock: Clock, Sendable {
    struct Instant: InstantProtocol {
        var offset: Duration
        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (one: Instant, other: Instant) -> Bool { one.offset < other.offset }
    }

    private let waits = Mutex<[Duration]>([])
    var now: Instant { Instant(offset: waits.withLock { $0.reduce(.zero, +) }) }
    let minimumResolution = Duration.zero
    var pauses: [Duration] { waits.withLock { $0 } }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        let pause = now.duration(to: deadline)
        waits.withLock { $0.append(pause) }
    }
}
