import Testing

@testable import Broker

@Suite struct AMQPEndpointTests {
    @Test(arguments: [
        (
            "amqp://user:pass@host:10000/vhost",
            AMQPEndpoint(host: "host", port: 10000, virtualHost: "vhost", username: "user", password: "pass")
        ),
        (
            "amqp://user%61:%61pass@ho%61st:10000/v%2fhost",
            AMQPEndpoint(host: "hoast", port: 10000, virtualHost: "v/host", username: "usera", password: "apass")
        ),
        ("amqp://", AMQPEndpoint()),
        ("amqp://host", AMQPEndpoint(host: "host")),
        ("amqp://host/", AMQPEndpoint(host: "host")),
        ("amqp://host/%2f", AMQPEndpoint(host: "host")),
        ("amqp://:@host", AMQPEndpoint(host: "host", username: "", password: "")),
        ("amqp://u:p%40ss%3A@host", AMQPEndpoint(host: "host", username: "u", password: "p@ss:")),
        ("amqps://host", AMQPEndpoint(host: "host", port: 5671, isEncrypted: true)),
        ("AMQPS://host:1234?heartbeat=5", AMQPEndpoint(host: "host", port: 1234, isEncrypted: true)),
        ("amqp://[::1]:5673/x", AMQPEndpoint(host: "::1", port: 5673, virtualHost: "x")),
        ("amqp://[fe80::1]", AMQPEndpoint(host: "fe80::1")),
    ])
    func `A URL is read part by part and percent-decoded`(url: String, endpoint: AMQPEndpoint) throws {
        #expect(try AMQPEndpoint(url: url) == endpoint)
    }

    @Test func `The nodes of a cluster stand side by side, and each has its own port`() throws {
        let endpoint = try AMQPEndpoint(url: "amqps://u:p%2Cq@a:1234,b,[::1]:77/v,w")
        #expect(endpoint.host == "a" && endpoint.port == 1234 && endpoint.password == "p,q")
        #expect(endpoint.virtualHost == "v,w")
        #expect(
            endpoint.alternatives == [
                AMQPEndpoint.Address(host: "b", port: 5671), AMQPEndpoint.Address(host: "::1", port: 77),
            ])
        #expect(endpoint.nodes.map(\.host) == ["a", "b", "::1"])
        #expect(endpoint.nodes.allSatisfy { $0.alternatives.isEmpty && $0.virtualHost == "v,w" && $0.isEncrypted })
        #expect(endpoint.description == "amqps://u@a:1234,b:5671,::1:77/v,w")
    }

    @Test(arguments: [
        ("amqp://a,,b", "comma"), ("amqp://,a", "comma"), ("amqp://u@a,/", "comma"), ("amqp://a,b:x", "port"),
        ("amqp://u:p@a/,amqp://u:p@b/", "several AMQP URLs"), ("localhost:5672", "no scheme"),
        ("http://host", "scheme 'http'"), ("amqp://host:0", "port"),
        ("amqp://host:65536", "port"), ("amqp://host:٣", "port"), ("amqp://host:-1", "port"),
        ("amqp://host/a/b", "%2F"), ("amqp://u:100%@host", "password"), ("amqp://%zz@host", "user name"),
        ("amqp://host/%ff", "UTF-8"), ("amqp://host/%00", "UTF-8"), ("amqp://[::1", "']'"), ("amqp://[::1]x", "IPv6"),
    ])
    func `A wrong URL is refused with the part that is wrong`(url: String, hint: String) {
        #expect(Self.refusal(of: url)?.contains(hint) == true, "\(String(describing: Self.refusal(of: url)))")
    }

    @Test func `Neither errors nor descriptions show the password`() throws {
        let endpoint = try AMQPEndpoint(url: "amqp://user:secret@host")
        #expect(!endpoint.description.contains("secret"))
        #expect(Self.refusal(of: "amqp://user:secret%@host")?.contains("secret") == false)
    }

    private static func refusal(of url: String) -> String? {
        do {
            _ = try AMQPEndpoint(url: url)
            return nil
        } catch {
            return error.description
        }
    }
}
