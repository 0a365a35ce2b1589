import Glibc

/// OpenSSL, which librabbitmq uses: in the process already, with functions that librabbitmq has no call for, looked up by
/// name.
enum TLSLibrary {
    private typealias Initialize = @convention(c) (UInt64, UnsafeRawPointer?) -> Int32

    /// Nil where librabbitmq was built with another library.
    static func function<Function>(_ name: String, as type: Function.Type) -> Function? {
        dlsym(nil, name).map { unsafeBitCast($0, to: type) }
    }

    /// Has OpenSSL stay usable until the process is gone; must come before its first use.
    ///
    /// By default it frees its tables when the process begins to exit, and a thread that just then is in a handshake, for
    /// instance for another try to connect, reads what was freed (OPENSSL_init_crypto(3), OPENSSL_INIT_NO_ATEXIT).
    static func keepUntilTheEnd() { isKept }

    private static let isKept: Void = {
        let noCleanupAtExit: UInt64 = 0x0008_0000
        _ = function("OPENSSL_init_crypto", as: Initialize.self)?(noCleanupAtExit, nil)
    }()
}
