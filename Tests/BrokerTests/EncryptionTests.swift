import BrokerTestSupport
import Foundation
import Testing

@testable import Broker

/// TLS against nodes with certificates of an authority made for the test.
@Suite(.serialized, .timeLimit(.minutes(4)), .enabled(if: PrivateNode.isAvailable))
struct EncryptionTests {
    @Test func `Certificates are checked, the client's one is shown, and errors say what to do`() async throws {
        try await Certificates.with { certificates in
            let port = try PrivateNode.freePort()
            try await PrivateNode.with(settings: certificates.settings(port: port)) { _ in
                func refusal(
                    _ host: String = "localhost", _ adjust: (inout TLSOptions) -> Void
                ) async throws -> String {
                    try await Self.refusal(certificates, host, port, adjust)
                }
                let good = try certificates.broker("localhost", port)
                try await good.ready(within: .seconds(120))
                let queue = try await good.declareReplyQueue(.exclusive())
                let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
                try await good.publish(OutgoingMessage(body: body), exchange: "", routingKey: queue)
                #expect(try await good.get(queue: queue)?.body == body)
                await good.close()

                // The certificate names localhost only.
                var text = try await refusal("127.0.0.1") { _ in }
                #expect(text.contains("does not name '127.0.0.1'"), "\(text)")
                let unchecked = try certificates.broker("127.0.0.1", port) { $0.verifiesHost = false }
                try await unchecked.ready(within: .seconds(120))
                await unchecked.close()
                text = try await refusal { $0.authorities = certificates.path("other.pem") }
                #expect(text.contains("is not in '\(certificates.path("other.pem"))'"), "\(text)")
                text = try await refusal { ($0.certificate, $0.key) = (nil, nil) }
                #expect(text.contains("wants a client certificate"), "\(text)")
                // The broker's alert may be lost with TLS 1.3; then the answer is which certificate, and where to look.
                for name in ["stranger", "late-client"] {
                    text = try await refusal { $0.use(name, certificates) }
                    let path = certificates.path("\(name).pem")
                    #expect(text.contains("client's certificate '\(path)'"), "\(text)")
                }
                text = try await refusal { $0.authorities = certificates.path("missing.pem") }
                #expect(text == "cannot read the TLS authorities '\(certificates.path("missing.pem"))'")
                text = try await refusal { $0.key = certificates.path("server.key") }
                #expect(text.contains("with the key"), "\(text)")
                // Without the plugin.
                text = try await refusal { $0.login = .certificate }
                #expect(text.contains("rabbitmq_auth_mechanism_ssl"), "\(text)")
            }
        }
    }

    /// One bad server certificate per node; who it is that connects, and for how long, does not matter.
    @Test(arguments: [
        ("late", "has expired; renew it"), ("lone", "signed by itself or by an authority that is not in"),
    ])
    func `A broker's certificate that nobody should trust ends a connection at once`(
        server: String, advice: String
    ) async throws {
        try await Certificates.with { certificates in
            let port = try PrivateNode.freePort()
            try await PrivateNode.with(settings: certificates.settings(port: port, server: server)) { _ in
                let broker = try certificates.broker("localhost", port)
                let error = await failure { try await broker.ready(within: .seconds(60)) }
                guard case .encryptionFailed(let text) = error else {
                    Issue.record("unexpected: \(String(describing: error))")
                    return
                }
                #expect(text.contains(advice), "\(text)")
                #expect(error?.isTransient == false)
                await broker.close()
                // Nothing but the trust is missing.
                let careless = try certificates.broker("localhost", port) { $0.verifiesPeer = false }
                try await careless.ready(within: .seconds(120))
                await careless.close()
            }
        }
    }

    @Test func `The certificate logs in by itself, and a password does so beside it`() async throws {
        try await Certificates.withLogin { certificates, port, node in
            let external = try certificates.broker("localhost", port) { $0.login = .certificate }
            try await external.ready(within: .seconds(120))
            #expect(try await node.control("list_connections", "user").contains("worker-1"))
            let queue = try await external.declareReplyQueue(.exclusive())
            // The broker checks that this is the user that logged in.
            try await external.publish(
                OutgoingMessage(MessageProperties(userID: "worker-1"), body: [1]), exchange: "", routingKey: queue)
            #expect(try await external.get(queue: queue)?.body == [1])
            await external.close()

            let plain = try certificates.broker("localhost", port)
            try await plain.ready(within: .seconds(120))
            #expect(try await node.control("list_connections", "user").contains("guest"))
            await plain.close()

            try await node.control("delete_user", "worker-1")
            let unknown = try certificates.broker("localhost", port) { $0.login = .certificate }
            let error = await failure { try await unknown.ready(within: .seconds(60)) }
            if case .authenticationFailed = error {} else { Issue.record("\(String(describing: error))") }
            await unknown.close()
        }
    }

    @Test func `An encrypted connection that is cut comes back, and the process lives`() async throws {
        try await Certificates.with { certificates in
            let port = try PrivateNode.freePort()
            try await PrivateNode.with(settings: certificates.settings(port: port)) { _ in
                let proxy = try FaultProxy(to: port)
                let broker = try certificates.broker("localhost", proxy.port)
                try await broker.ready(within: .seconds(120))
                try await broker.declare(Topology(queues: [Queue("work")]))
                // OpenSSL writes without MSG_NOSIGNAL: to a connection that was reset, that is SIGPIPE.
                let cutting = Task {
                    for index in 0..<5 {
                        proxy.cut(afterBytes: 300_000, .toBroker)
                        await proxy.until { $0.cut > index }
                    }
                }
                let message = OutgoingMessage(body: [UInt8](repeating: 3, count: 50_000))
                for _ in 0..<40 { try await broker.publish(message, exchange: "", routingKey: "work") }
                await cutting.value
                #expect(try await broker.depth(of: "work").messages >= 40)
                await broker.close()
                proxy.stop()
            }
        }
    }

    /// What a connection fails with, in words.
    private static func refusal(
        _ certificates: Certificates, _ host: String, _ port: UInt16, _ adjust: (inout TLSOptions) -> Void
    ) async throws -> String {
        let broker = try certificates.broker(host, port, adjust)
        // A server that is not up yet refuses the connection; that is not the answer wanted here.
        var text = ""
        for await state in broker.states {
            guard case .disconnected(let error) = state else { continue }
            text = "\(error)"
            if !text.hasSuffix("a socket error occurred") && !text.hasSuffix("socket could not be opened") { break }
        }
        await broker.close()
        return text
    }
}

extension TLSOptions {
    fileprivate mutating func use(_ name: String, _ certificates: Certificates) {
        (certificate, key) = (certificates.path("\(name).pem"), certificates.path("\(name).key"))
    }
}
