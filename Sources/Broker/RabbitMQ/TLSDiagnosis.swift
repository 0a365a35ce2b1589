import CRabbitMQ
import Glibc

/// Finds out what was wrong with a certificate: librabbitmq only says that something was.
///
/// OpenSSL knows, but librabbitmq 0.11 has no call to ask it; where its functions are not there, the short answer stays.
///
/// A handshake happens on one thread, so what OpenSSL finds is kept per thread.
enum TLSDiagnosis {
    /// What was wrong and what to do about it.
    struct Finding: Equatable {
        var advice: String
        /// Whether somebody has to do it before another try can help.
        var isLasting = true
    }

    private typealias VerifyCallback = @convention(c) (Int32, OpaquePointer?) -> Int32
    private typealias SetVerify = @convention(c) (OpaquePointer, Int32, VerifyCallback) -> Void
    private typealias GetError = @convention(c) (OpaquePointer?) -> Int32
    private typealias LastError = @convention(c) () -> UInt
    private typealias ClearErrors = @convention(c) () -> Void

    /// The first thing that OpenSSL found wrong with the broker's certificates in the handshake of this thread.
    private static let problem: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    /// Has OpenSSL's findings kept for the connection that this thread will now make.
    static func watch(_ socket: OpaquePointer) {
        pthread_setspecific(problem, nil)
        TLSLibrary.function("ERR_clear_error", as: ClearErrors.self)?()
        guard let context = amqp_ssl_socket_get_context(socket),
            let setVerify = TLSLibrary.function("SSL_CTX_set_verify", as: SetVerify.self)
        else { return }
        // 0, SSL_VERIFY_NONE: the handshake goes on, and librabbitmq judges its outcome, as without a callback.
        setVerify(OpaquePointer(context), 0) { isGood, store in
            if isGood == 0, pthread_getspecific(TLSDiagnosis.problem) == nil,
                let getError = TLSLibrary.function("X509_STORE_CTX_get_error", as: GetError.self)
            {
                pthread_setspecific(TLSDiagnosis.problem, UnsafeRawPointer(bitPattern: Int(getError(store))))
            }
            return isGood
        }
    }

    /// What is known after a handshake or login that failed with `status`.
    static func finding(_ status: Int32, _ configuration: RabbitMQConfiguration) -> Finding? {
        guard configuration.endpoint.isEncrypted else { return nil }
        let host = configuration.endpoint.host
        if status == AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED.rawValue {
            return Finding(
                advice: "the broker's certificate does not name '\(host)'; connect by a name that the certificate has")
        }
        if status == AMQP_STATUS_SSL_PEER_VERIFY_FAILED.rawValue,
            let code = pthread_getspecific(problem).map({ Int(bitPattern: $0) })
        {
            // 9, X509_V_ERR_CERT_NOT_YET_VALID: its time comes.
            return Finding(advice: peerProblem(code, configuration.tls), isLasting: code != 9)
        }
        guard let code = TLSLibrary.function("ERR_peek_last_error", as: LastError.self)?(), code != 0 else { return nil }
        // The reason is in the low 23 bits (OpenSSL 3, err.h); 1000 + n is the peer's alert n (RFC 8446, 6.2).
        return alert(Int(code & 0x7F_FFFF) - 1000, configuration.tls).map { Finding(advice: $0) }
    }

    /// What to think of a session that ends before the broker's first word in it.
    ///
    /// With TLS 1.3 the client is through with the handshake before the broker looks at its certificate, and the broker's
    /// alert may be lost when it closes the connection. A broker that is just being stopped looks the same.
    static func endOfLogin(_ tls: TLSOptions) -> Finding {
        guard let certificate = tls.certificate else {
            return Finding(
                advice:
                    "the broker ended the session after the handshake; if it wants a client certificate, give one with its key",
                isLasting: false)
        }
        let advice =
            "the broker ended the session after the handshake, as it does where it does not accept the client's "
            + "certificate '\(certificate)': look at its authority, dates and use, and into the broker's log"
        return Finding(advice: advice, isLasting: false)
    }

    /// X509_V_ERR_ codes (OpenSSL, x509_vfy.h).
    private static func peerProblem(_ code: Int, _ tls: TLSOptions) -> String {
        switch code {
        case 9: "the broker's certificate is not valid yet; check the clocks of both machines"
        case 10: "the broker's certificate has expired; renew it"
        case 18, 19:
            "the broker's certificate is signed by itself or by an authority that is not in '\(tls.authorities)'; "
                + "name the file with its authority"
        case 2, 20, 21:
            "the authority that signed the broker's certificate is not in '\(tls.authorities)'; name the file with it"
        case 23: "the broker's certificate was revoked"
        case 24, 79: "the broker's certificate is signed by one that is no authority"
        case 26: "the broker's certificate is not one for servers; see its extended key usage"
        default: "OpenSSL does not accept the broker's certificate (X509 error \(code))"
        }
    }

    /// What the broker complained of.
    private static func alert(_ number: Int, _ tls: TLSOptions) -> String? {
        switch number {
        case 40: "the broker and this client have no TLS version and cipher in common; TLS 1.2 is the least here"
        case 42, 43, 46: "the broker does not accept the client's certificate '\(tls.certificate ?? "")'"
        case 44: "the client's certificate '\(tls.certificate ?? "")' was revoked"
        case 45: "the client's certificate '\(tls.certificate ?? "")' has expired; renew it"
        case 48: "the broker does not know the authority of the client's certificate '\(tls.certificate ?? "")'"
        case 70: "the broker refuses TLS 1.2 and 1.3"
        case 116: "the broker wants a client certificate; give one with its key"
        default: nil
        }
    }
}
