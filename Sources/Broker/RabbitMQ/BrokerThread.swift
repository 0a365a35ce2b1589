import Glibc

/// Starts a thread outside the cooperative pool, which blocking work would starve.
enum BrokerThread {
    /// Enough for the deepest header table that a frame can hold.
    ///
    /// librabbitmq 0.11 decodes nested tables recursively and without a limit; a frame of 128 KiB nests 26,000 levels.
    /// Only touched pages cost memory.
    static let stackSize = 64 << 20

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// - Returns: False where the system gives no thread.
    static func start(_ run: @escaping @Sendable () -> Void) -> Bool {
        var attributes = pthread_attr_t()
        guard pthread_attr_init(&attributes) == 0 else { return false }
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackSize)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let body = Unmanaged.passRetained(Body(run))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, &attributes,
            { argument in
                BrokerThread.blockBrokenPipeSignal()
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, body.toOpaque())
        if status != 0 { body.release() }
        return status == 0
    }

    /// Makes writing to a connection that its peer has reset an error instead of the end of the process.
    ///
    /// librabbitmq asks for that on plain sockets; OpenSSL, which writes to encrypted ones, does not.
    private static func blockBrokenPipeSignal() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}
