import Glibc
import Synchronization

/// A TCP proxy on the loopback interface that does to a broker's connections what networks do.
///
/// It forwards to one address, byte for byte, on a thread of its own, and on command cuts, half-closes, delays, throttles
/// or swallows. It never changes a byte.
public final class FaultProxy: Sendable {
    /// Which way bytes go.
    public enum Direction: Int, Sendable, CaseIterable { case toBroker, toClient }

    /// What happens to bytes of one direction.
    public struct Weather: Sendable {
        /// How long bytes take.
        public var delay: Duration = .zero
        /// Bytes per second that get through, on each connection.
        public var rate: Int?

        public init() {}
    }

    /// What the proxy has done so far.
    public struct Counts: Sendable {
        /// Connections taken, refused ones included.
        public var accepted = 0
        /// Connections open now.
        public var open = 0
        /// Connections that it ended on command.
        public var cut = 0
        public var bytesToBroker = 0
        public var bytesToClient = 0
    }

    enum Command: Sendable {
        case weather(Direction, Weather)
        case refuse(Bool)
        case swallow(all: Bool)
        case cut(String?)
        case cutAfter(bytes: Int, Direction, String?)
        case halfClose
        case stop
    }

    /// Shared with the thread.
    final class Board: Sendable {
        struct Contents {
            var commands: [Command] = []
            var counts = Counts()
            var waiters: [(condition: @Sendable (Counts) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
            var isOver = false
        }

        let contents = Mutex(Contents())
        /// A pipe that wakes the thread; open as long as anybody may use it.
        let wakeReader: Int32
        let wakeWriter: Int32

        init() throws {
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0 else { throw ProxyError("no pipe") }
            for end in ends { LoopbackSocket.unblock(end) }
            (wakeReader, wakeWriter) = (ends[0], ends[1])
        }

        deinit {
            close(wakeReader)
            close(wakeWriter)
        }

        /// Changes the counts and wakes who has waited for that.
        func count(_ change: (inout Counts) -> Void) {
            let ready = contents.withLock { contents in
                change(&contents.counts)
                let counts = contents.counts
                let ready = contents.waiters.filter { $0.condition(counts) }
                contents.waiters.removeAll { $0.condition(counts) }
                return ready
            }
            for waiter in ready { waiter.continuation.resume() }
        }

        func end() {
            let waiters = contents.withLock { contents in
                defer { contents.waiters = [] }
                contents.isOver = true
                return contents.waiters
            }
            for waiter in waiters { waiter.continuation.resume() }
        }
    }

    /// Where clients connect to, on 127.0.0.1.
    public let port: UInt16
    private let board: Board

    /// Starts a proxy to a port of 127.0.0.1.
    /// - Throws: ``ProxyError`` where the system gives no socket or thread.
    public init(to brokerPort: UInt16) throws {
        let (listener, port) = try LoopbackSocket.listen()
        self.port = port
        board = try Board()
        let loop = ProxyLoop(listener: listener, brokerPort: brokerPort, board: board)
        guard ProxyThread.start({ loop.run() }) else { throw ProxyError("no thread") }
    }

    deinit { post(.stop) }

    private func post(_ command: Command) {
        board.contents.withLock { $0.commands.append(command) }
        var byte: UInt8 = 1
        _ = write(board.wakeWriter, &byte, 1)
    }

    /// What it has done until now.
    public var counts: Counts { board.contents.withLock { $0.counts } }

    /// Waits until the counts are so.
    public func until(_ condition: @escaping @Sendable (Counts) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isSo = board.contents.withLock { contents in
                if contents.isOver || condition(contents.counts) { return true }
                contents.waiters.append((condition, continuation))
                return false
            }
            if isSo { continuation.resume() }
        }
    }

    /// Delays or throttles a direction of all connections, those to come included.
    public func set(_ direction: Direction, delay: Duration = .zero, bytesPerSecond: Int? = nil) {
        var weather = Weather()
        weather.delay = delay
        weather.rate = bytesPerSecond
        post(.weather(direction, weather))
    }

    /// Resets connections with all that is under way in them; `name` picks those whose first bytes contain it, such as
    /// `(publish)` of the connection's name.
    public func cut(named name: String? = nil) { post(.cut(name)) }

    /// Cuts the first connection that has forwarded this many more bytes, in the middle of whatever they belong to.
    public func cut(afterBytes bytes: Int, _ direction: Direction, named name: String? = nil) {
        post(.cutAfter(bytes: bytes, direction, name))
    }

    /// Tells clients that the broker will send nothing more (FIN), and goes on taking what they send.
    public func halfClose() { post(.halfClose) }

    /// Makes a black hole of the present connections, which take everything and answer nothing, without a FIN or a reset;
    /// of new ones too until ``restore()``.
    public func swallow() { post(.swallow(all: true)) }

    /// Resets new connections at once until ``restore()``; the present ones stay.
    public func refuse() { post(.refuse(true)) }

    /// Lets new connections through again; what was swallowed stays so.
    public func restore() {
        post(.refuse(false))
        post(.swallow(all: false))
        for direction in Direction.allCases { post(.weather(direction, Weather())) }
    }

    /// Ends the proxy and all its connections.
    public func stop() { post(.stop) }
}

/// What the system refused.
public struct ProxyError: Error, CustomStringConvertible {
    public let description: String

    init(_ what: String) { description = "\(what): \(String(cString: strerror(errno)))" }
}

/// A thread for the loop, outside the cooperative pool.
enum ProxyThread {
    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }

    static func start(_ run: @escaping () -> Void) -> Bool {
        let body = Unmanaged.passRetained(Body(run))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, body.toOpaque())
        if status != 0 { body.release() } else { pthread_detach(thread) }
        return status == 0
    }
}
