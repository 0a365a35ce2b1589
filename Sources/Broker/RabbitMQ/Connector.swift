import CRabbitMQ
import Glibc

/// Makes a connection with TCP, TLS and login.
///
/// It blocks, so it runs on a thread of its own.
struct Connector: Sendable {
    var configuration: RabbitMQConfiguration
    /// What the connection is for, shown after the connection's name.
    var purpose: String

    /// Tries the nodes of the endpoint one after the other, in an order of chance: so the connections of many workers are
    /// spread over a cluster, and those that lose a node over what is left of it.
    ///
    /// - Returns: The connection, and the node that it leads to.
    /// - Throws: What was wrong with the only node, or with all of them: something lasting only where it lasts for all.
    func connect() throws(BrokerError) -> (wire: WireConnection, node: AMQPEndpoint) {
        var failures: [BrokerError] = []
        for node in configuration.endpoint.nodes.shuffled() {
            var single = self
            single.configuration.endpoint = node
            do throws(BrokerError) { return (try single.connectToNode(), node) } catch { failures.append(error) }
        }
        if let first = failures.first, failures.count == 1 || failures.allSatisfy({ !$0.isTransient }) { throw first }
        throw .disconnected(failures.map(Self.reason).joined(separator: "; "))
    }

    private static func reason(_ error: BrokerError) -> String {
        if case .disconnected(let reason) = error { reason } else { "\(error)" }
    }

    /// - Throws: ``BrokerError/disconnected(_:)``, ``BrokerError/authenticationFailed(_:)``,
    ///   ``BrokerError/encryptionFailed(_:)``, ``BrokerError/invalid(_:)``.
    private func connectToNode() throws(BrokerError) -> WireConnection {
        guard let state = amqp_new_connection() else { throw .disconnected("out of memory") }
        do throws(BrokerError) {
            let socket = try configuration.endpoint.isEncrypted ? encryptedSocket(state) : plainSocket(state)
            try open(socket)
            try logIn(state)
        } catch {
            amqp_destroy_connection(state)
            throw error
        }
        return WireConnection(adopting: state)
    }

    private func plainSocket(_ state: amqp_connection_state_t) throws(BrokerError) -> OpaquePointer {
        guard let socket = amqp_tcp_socket_new(state) else { throw .disconnected("out of memory") }
        return socket
    }

    private func encryptedSocket(_ state: amqp_connection_state_t) throws(BrokerError) -> OpaquePointer {
        TLSLibrary.keepUntilTheEnd()
        guard let socket = amqp_ssl_socket_new(state) else { throw .disconnected("TLS is not available") }
        let tls = configuration.tls
        amqp_ssl_socket_set_verify_peer(socket, tls.verifiesPeer ? 1 : 0)
        amqp_ssl_socket_set_verify_hostname(socket, tls.verifiesHost ? 1 : 0)
        // The library forbids only SSL 2 and 3 by itself.
        guard amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST) == AMQP_STATUS_OK.rawValue else {
            throw .disconnected("the TLS library cannot be limited to TLS 1.2 and newer")
        }
        if tls.verifiesPeer {
            guard amqp_ssl_socket_set_cacert(socket, tls.authorities) == AMQP_STATUS_OK.rawValue else {
                throw .invalid("cannot read the TLS authorities '\(tls.authorities)'")
            }
        }
        if let certificate = tls.certificate {
            guard let key = tls.key else { throw .invalid("the TLS client certificate needs its key") }
            guard amqp_ssl_socket_set_key(socket, certificate, key) == AMQP_STATUS_OK.rawValue else {
                throw .invalid("cannot use the TLS client certificate '\(certificate)' with the key '\(key)'")
            }
        }
        TLSDiagnosis.watch(socket)
        return socket
    }

    private func open(_ socket: OpaquePointer) throws(BrokerError) {
        let endpoint = configuration.endpoint
        var limit = timeval(configuration.connectTimeLimit)
        let status = amqp_socket_open_noblock(socket, endpoint.host, Int32(endpoint.port), &limit)
        guard status == AMQP_STATUS_OK.rawValue else {
            throw failure(status, at: "\(endpoint)", TLSDiagnosis.finding(status, configuration))
        }
    }

    private func logIn(_ state: amqp_connection_state_t) throws(BrokerError) {
        var limit = timeval(configuration.connectTimeLimit)
        amqp_set_handshake_timeout(state, &limit)
        let endpoint = configuration.endpoint
        let heartbeat = Int32(clamping: configuration.heartbeat.components.seconds)
        let arena = FieldArena()
        var properties = arena.table(clientProperties)
        let reply = withExtendedLifetime(arena) {
            if endpoint.isEncrypted, configuration.tls.login == .certificate {
                // RabbitMQ takes the user from the certificate and ignores this; librabbitmq calls an empty text a lack
                // of memory.
                rectifid_login_external(
                    state, endpoint.virtualHost, Self.frameMaximum, heartbeat, &properties,
                    endpoint.username.isEmpty ? "certificate" : endpoint.username)
            } else {
                rectifid_login_plain(
                    state, endpoint.virtualHost, Self.frameMaximum, heartbeat, &properties, endpoint.username,
                    endpoint.password)
            }
        }
        try check(reply)
        if purpose == "consume" { try widenFrames(state) }
    }

    /// Asked for at login; RabbitMQ's own default.
    static let frameMaximum: Int32 = 131_072

    /// Largest frame that is read.
    private static let readFrameMaximum: Int32 = 1 << 20

    /// Lets larger frames come in than may go out.
    ///
    /// RabbitMQ adds headers to what it delivers (`x-delivery-count`, `x-death`) without a look at the frame size. A message
    /// whose headers filled its frame when it was published would end every connection that takes it, for ever.
    private func widenFrames(_ state: amqp_connection_state_t) throws(BrokerError) {
        let status = amqp_tune_connection(
            state, amqp_get_channel_max(state), Self.readFrameMaximum, amqp_get_heartbeat(state))
        guard status == AMQP_STATUS_OK.rawValue else { throw .disconnected("login: \(Self.text(status))") }
    }

    /// What this client announces, beside what librabbitmq adds of its own.
    ///
    /// Without these capabilities the broker neither tells of cancelled consumers nor of being blocked.
    private var clientProperties: [String: HeaderValue] {
        [
            "connection_name": .string("\(configuration.connectionName) (\(purpose))"),
            "capabilities": [
                "publisher_confirms": true, "basic.nack": true, "consumer_cancel_notify": true,
                "connection.blocked": true, "authentication_failure_close": true,
            ],
        ]
    }

    private func check(_ reply: amqp_rpc_reply_t) throws(BrokerError) {
        switch reply.reply_type {
        case AMQP_RESPONSE_NORMAL: return
        case AMQP_RESPONSE_SERVER_EXCEPTION:
            guard case .connectionClosed(let code, let text) = ServerMethod(reply.reply) else {
                throw .disconnected("unexpected answer to the login")
            }
            // 403: bad credentials; 530: no such virtual host or no access to it.
            throw code == 403 || code == 530 ? .authenticationFailed(text) : .disconnected(text)
        default:
            let status = reply.library_error
            throw status == AMQP_STATUS_BROKER_UNSUPPORTED_SASL_METHOD.rawValue
                ? .authenticationFailed(unsupportedLogin)
                : failure(status, at: "login to \(configuration.endpoint)", loginFinding(status))
        }
    }

    /// RabbitMQ offers EXTERNAL only with a plugin, and PLAIN unless it is switched off.
    private var unsupportedLogin: String {
        configuration.endpoint.isEncrypted && configuration.tls.login == .certificate
            ? "the broker offers no login by certificate; enable rabbitmq_auth_mechanism_ssl and auth_mechanisms EXTERNAL"
            : "the broker offers no login by password (auth_mechanisms PLAIN)"
    }

    /// What a status means, with what TLS has to say about it.
    private func failure(_ status: Int32, at stage: String, _ finding: TLSDiagnosis.Finding?) -> BrokerError {
        let text = "\(stage): \(Self.text(status))"
        guard let finding else { return .disconnected(text) }
        let reason = "\(text): \(finding.advice)"
        return finding.isLasting ? .encryptionFailed(reason) : .disconnected(reason)
    }

    /// At the login the broker may have looked at a certificate only now.
    private func loginFinding(_ status: Int32) -> TLSDiagnosis.Finding? {
        let ends = [AMQP_STATUS_SSL_ERROR, AMQP_STATUS_CONNECTION_CLOSED, AMQP_STATUS_SOCKET_ERROR].map(\.rawValue)
        if let finding = TLSDiagnosis.finding(status, configuration) { return finding }
        guard configuration.endpoint.isEncrypted, ends.contains(status) else { return nil }
        return TLSDiagnosis.endOfLogin(configuration.tls)
    }

    private static func text(_ status: Int32) -> String {
        amqp_error_string2(status).map { String(cString: $0) } ?? "librabbitmq status \(status)"
    }
}

extension timeval {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(tv_sec: Int(clamping: max(seconds, 0)), tv_usec: Int(max(attoseconds, 0) / 1_000_000_000_000))
    }
}
