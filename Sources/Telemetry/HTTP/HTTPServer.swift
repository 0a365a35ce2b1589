import Foundation
import Glibc
import Synchronization

/// A small HTTP server for health and metrics: GET and HEAD, one request per connection, no bodies.
///
/// It has a thread of its own, so that it answers while everything else in the process computes or hangs. Time, size and
/// number of everything that comes from outside are bounded: a head has 8 KiB and 5 s, an answer 5 s to be taken. When all
/// places are taken the oldest connection makes room, so that idle connections keep nobody out.
public final class HTTPServer: Sendable {
    public struct Limits: Sendable {
        public var connections = 64
        /// For the head of a request, and again for taking the answer.
        public var time: Duration = .seconds(5)

        public init() {}
    }

    /// A pipe that wakes the thread.
    ///
    /// Both ends live as long as the server, since writing to one whose other end is closed would end the process.
    private let wake: (read: Socket, write: Socket)
    private let isStopping = Atomic(false)
    private let ended = Mutex<(isDone: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))
    /// Where it listens.
    public let port: UInt16

    /// Starts to listen and to answer.
    ///
    /// - Parameters:
    ///   - host: Address to listen on.
    ///   - port: 0: one that the system chooses; ``port`` tells.
    ///   - respond: Answers a request; called on the server's thread, must not block.
    /// - Throws: ``HTTPServerError`` where the address cannot be listened on.
    public init(
        host: String, port: UInt16, limits: Limits = Limits(),
        respond: @escaping @Sendable (HTTPRequest) -> HTTPResponse
    ) throws(HTTPServerError) {
        let listener = try Socket.listen(host: host, port: port)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw HTTPServerError(host: host, port: port, problem: String(cString: strerror(errno)))
        }
        for end in ends { setNonBlocking(end) }
        self.port = listener.port
        wake = (Socket(owning: ends[0]), Socket(owning: ends[1]))
        let thread = Thread { [self] in
            HTTPLoop(listener, wake: wake.read, limits: limits, respond: respond)
                .run { isStopping.load(ordering: .acquiring) }
            end()
        }
        thread.name = "status port"
        thread.start()
    }

    /// Stops listening, lets the answers under way out, and returns when all connections are closed.
    public func stop() async {
        isStopping.store(true, ordering: .releasing)
        var byte: UInt8 = 1
        _ = Glibc.write(wake.write.descriptor, &byte, 1)
        await withCheckedContinuation { continuation in
            let isDone = ended.withLock { ended in
                if !ended.isDone { ended.waiting.append(continuation) }
                return ended.isDone
            }
            if isDone { continuation.resume() }
        }
    }

    private func end() {
        let waiting = ended.withLock { ended in
            defer { ended = (true, []) }
            return ended.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
