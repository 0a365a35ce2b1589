public import Broker
import Foundation

/// An authority, certificates of it, and some that are not good.
public struct Certificates: Sendable {
    private let folder: URL

    /// Lets the common name of a client's certificate be its login, beside passwords.
    private static let loginSettings = """
        auth_mechanisms.1 = EXTERNAL
        auth_mechanisms.2 = PLAIN
        ssl_cert_login_from = common_name
        ssl_options.versions.1 = tlsv1.2

        """

    /// What RabbitMQ needs for that.
    private static let loginPlugin = "rabbitmq_auth_mechanism_ssl"

    /// Where a certificate (`NAME.pem`) or its key (`NAME.key`) is.
    public func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// Runs a body with a node at which the certificates' `worker-1` may do everything, and has no password.
    public static func withLogin(
        _ body: (Certificates, _ port: UInt16, PrivateNode) async throws -> Void
    ) async throws {
        try await Certificates.with { certificates in
            let port = try PrivateNode.freePort()
            try await PrivateNode.with(
                settings: certificates.settings(port: port) + loginSettings, plugins: [loginPlugin]
            ) { node in
                try await node.control("add_user", "worker-1", "unused")
                try await node.control("clear_password", "worker-1")
                try await node.control("set_permissions", "worker-1", ".*", ".*", ".*")
                try await body(certificates, port, node)
            }
        }
    }

    /// Lines of rabbitmq.conf for a node that wants certificates of its clients.
    public func settings(port: UInt16, server: String = "server") -> String {
        """
        listeners.ssl.1 = 127.0.0.1:\(port)
        ssl_options.cacertfile = \(path("ca.pem"))
        ssl_options.certfile = \(path("\(server).pem"))
        ssl_options.keyfile = \(path("\(server).key"))
        ssl_options.verify = verify_peer
        ssl_options.fail_if_no_peer_cert = true

        """
    }

    /// A connection with the good client's certificate and guest's password.
    public func broker(
        _ host: String, _ port: UInt16, _ adjust: (inout TLSOptions) -> Void = { _ in }
    ) throws -> RabbitMQBroker {
        try BrokerKind.rabbitMQ(url: "amqps://guest:guest@\(host):\(port)") {
            $0.tls = TLSOptions(authorities: path("ca.pem"), certificate: path("client.pem"), key: path("client.key"))
            adjust(&$0.tls)
        }
    }

    /// Runs a body with certificates that are gone afterwards.
    public static func with(_ body: (Certificates) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rectifid-tls-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = """
            set -e; cd "$1"
            for authority in ca other; do
              openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$authority" -keyout $authority.key -out $authority.pem
            done
            make() { # name, subject, authority, days, use
              openssl req -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout $1.key -out $1.csr
              printf 'subjectAltName=DNS:localhost\\nextendedKeyUsage=%s' $5 >$1.ext
              openssl x509 -req -days $4 -in $1.csr -CA $3.pem -CAkey $3.key -CAcreateserial -extfile $1.ext -out $1.pem
            }
            make server localhost ca 2 serverAuth
            make late localhost ca -1 serverAuth
            make client worker-1 ca 2 clientAuth
            make late-client worker-1 ca -1 clientAuth
            make stranger worker-1 other 2 clientAuth
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=localhost" -addext subjectAltName=DNS:localhost \
              -keyout lone.key -out lone.pem
            """
        try await PrivateNode.run("/bin/bash", ["-c", script, "certificates", folder.path])
        try await body(Certificates(folder: folder))
    }
}
