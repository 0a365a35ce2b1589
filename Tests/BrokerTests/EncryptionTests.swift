import BrokerTestSupport
import Foundation
import Testing

@testable import Broker

/// TLS against a node with a certificate of an authority made for the test.
@Suite(.serialized, .timeLimit(.minutes(3)), .enabled(if: PrivateNode.isAvailable))
struct EncryptionTests {
    @Test func `Certificates are checked, and the client's one is shown`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rectifid-tls-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await Self.makeCertificates(in: folder)
        func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
        let port = try Self.freePort()
        let settings = """
            listeners.ssl.1 = 127.0.0.1:\(port)
            ssl_options.cacertfile = \(path("ca.pem"))
            ssl_options.certfile = \(path("server.pem"))
            ssl_options.keyfile = \(path("server.key"))
            ssl_options.verify = verify_peer
            ssl_options.fail_if_no_peer_cert = true

            """
        try await PrivateNode.with(settings: settings) { _ in
            func broker(_ host: String, _ adjust: (inout TLSOptions) -> Void = { _ in }) throws -> RabbitMQBroker {
                try BrokerKind.rabbitMQ(url: "amqps://guest:guest@\(host):\(port)") {
                    $0.tls = TLSOptions(
                        authorities: path("ca.pem"), certificate: path("client.pem"), key: path("client.key"))
                    adjust(&$0.tls)
                }
            }
            func refusal(_ broker: RabbitMQBroker) async -> BrokerError? {
                defer { Task { await broker.close() } }
                return await failure { try await broker.ready(within: .seconds(3)) }
            }
            let good = try broker("localhost")
            try await good.ready(within: .seconds(120))
            let queue = try await good.declareReplyQueue(.exclusive())
            let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            try await good.publish(OutgoingMessage(body: body), exchange: "", routingKey: queue)
            #expect(try await good.get(queue: queue)?.body == body)
            await good.close()

            // The certificate names localhost only; 127.0.0.2 reaches nothing, 127.0.0.1 is another name.
            #expect(await refusal(try broker("127.0.0.1"))?.isDisconnected == true)
            let unchecked = try broker("127.0.0.1") { $0.verifiesHost = false }
            try await unchecked.ready(within: .seconds(120))
            await unchecked.close()
            #expect(
                await refusal(try broker("localhost") { $0.authorities = path("other.pem") })?.isDisconnected == true)
            #expect(
                await refusal(
                    try broker("localhost") {
                        $0.certificate = nil
                        $0.key = nil
                    })?.isDisconnected == true)
            let missing = await refusal(try broker("localhost") { $0.authorities = path("missing.pem") })
            #expect(missing == .invalid("cannot read the TLS authorities '\(path("missing.pem"))'"))
        }
    }

    /// An authority, a server certificate for localhost, a client certificate, and an authority that signed nothing.
    private static func makeCertificates(in folder: URL) async throws {
        let script = """
            set -e; cd "$1"
            for authority in ca other; do
              openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$authority" -keyout $authority.key -out $authority.pem
            done
            for name in server client; do
              openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout $name.key -out $name.csr
              printf 'subjectAltName=DNS:localhost' >$name.ext
              openssl x509 -req -days 2 -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile $name.ext -out $name.pem
            done
            """
        try await PrivateNode.run("/bin/bash", ["-c", script, "certificates", folder.path])
    }

    /// A port that the system has just had free.
    private static func freePort() throws -> UInt16 {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 ? getsockname(listener, $0, &size) : -1
            }
        }
        try #require(status == 0)
        return UInt16(bigEndian: address.sin_port)
    }
}

extension BrokerError {
    fileprivate var isDisconnected: Bool { if case .disconnected = self { true } else { false } }
}
