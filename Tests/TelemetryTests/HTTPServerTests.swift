import BrokerTestSupport
import Foundation
import Synchronization
@testable import Telemetry
import Testing

@Suite(.timeLimit(.minutes(1)))
struct HTTPServerTests {
    /// Lets a server that knows `/a` answer while `body` runs.
    private func withServer(
        limits: HTTPServer.Limits = HTTPServer.Limits(), size: Int = 5, _ body: (UInt16) async throws -> Void
    ) async throws {
        let server = try HTTPServer(host: "127.0.0.1", port: 0, limits: limits) { request in
            request.path == "/a"
                ? HTTPResponse(.ok, contentType: "text/plain", body: [UInt8](repeating: UInt8(ascii: "a"), count: size))
                : HTTPResponse(.notFound, "no")
        }
        try await attempt {
            try await body(server.port)
        } cleanup: {
            await server.stop()
        }
    }

    /// Sends bytes and reads until the server closes.
    private func exchange(_ request: String, port: UInt16) throws -> String {
        let client = try RawHTTPClient(port: port)
        client.send(Array(request.utf8))
        return client.readToEnd()
    }

    @Test func aPathIsAnsweredAndTheConnectionClosed() async throws {
        try await withServer { port in
            let answer = try exchange("GET /a?x=1 HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n", port: port)
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\naaaaa"))
            #expect(answer.contains("\r\nContent-Length: 5\r\n") && answer.contains("\r\nConnection: close\r\n"))
            let head = try exchange("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n", port: port)
            #expect(head.contains("\r\nContent-Length: 5\r\n") && head.hasSuffix("\r\n\r\n"))
            #expect(try exchange("GET /b HTTP/1.0\r\n\r\n", port: port).hasPrefix("HTTP/1.1 404 "))
            let probe = try HTTPProbe.get("/a", host: "localhost", port: port, within: .seconds(20))
            #expect(probe.status == 200 && probe.body == "aaaaa")
        }
    }

    @Test(arguments: HostileRequest.all)
    func aHostileRequestGetsOneAnswer(hostile: HostileRequest) async throws {
        try await withServer { port in
            let answer = try exchange(hostile.text, port: port)
            #expect(answer.hasPrefix("HTTP/1.1 \(hostile.status) "), "\(answer.prefix(40))")
            #expect(answer.ranges(of: "HTTP/1.1 ").count == 1)
            // And the next one is served.
            #expect(try exchange("GET /a HTTP/1.1\r\n\r\n", port: port).hasSuffix("aaaaa"))
        }
    }

    @Test func aRequestByteByByteIsAnswered() async throws {
        try await withServer { port in
            let client = try RawHTTPClient(port: port)
            for byte in "GET /a HTTP/1.1\r\nHost: h\r\n\r\n".utf8 { client.send([byte]) }
            #expect(client.readToEnd().hasSuffix("aaaaa"))
        }
    }

    @Test func aSlowRequestIsEndedByTheServer() async throws {
        var limits = HTTPServer.Limits()
        limits.time = .milliseconds(50)
        try await withServer(limits: limits) { port in
            let silent = try RawHTTPClient(port: port)
            #expect(silent.readToEnd() == "")
            let slow = try RawHTTPClient(port: port)
            slow.send(Array("GET /a HT".utf8))
            #expect(slow.readToEnd().hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test func idleConnectionsKeepNobodyOut() async throws {
        var limits = HTTPServer.Limits()
        limits.connections = 4
        limits.time = .seconds(3600)
        try await withServer(limits: limits) { port in
            var idle: [RawHTTPClient] = []
            for _ in 0..<40 {
                idle.append(try RawHTTPClient(port: port))
                idle.last?.send(Array("GET /a HTTP/1.1\r\n".utf8))
            }
            #expect(try exchange("GET /a HTTP/1.1\r\n\r\n", port: port).hasSuffix("aaaaa"))
            #expect(idle[0].readToEnd() == "")
        }
    }

    @Test func aReaderThatDoesNotReadHoldsNobodyUp() async throws {
        try await withServer(size: 8 << 20) { port in
            let lazy = try RawHTTPClient(port: port)
            lazy.send(Array("GET /a HTTP/1.1\r\n\r\n".utf8))
            #expect(try exchange("GET /b HTTP/1.1\r\n\r\n", port: port).hasPrefix("HTTP/1.1 404 "))
            #expect(lazy.readToEnd().utf8.count > 8 << 20)
        }
    }

    @Test func randomBytesNeverStopIt() async throws {
        var generator = SystemRandomNumberGenerator()
        try await withServer { port in
            for _ in 0..<200 {
                let client = try RawHTTPClient(port: port)
                var bytes = Array("GET /a HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
                for _ in 0..<Int.random(in: 1...8, using: &generator) {
                    bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
                }
                client.send(bytes)
                client.endWriting()
                _ = client.readToEnd()
            }
            #expect(try exchange("GET /a HTTP/1.1\r\n\r\n", port: port).hasSuffix("aaaaa"))
        }
    }

    /// A server on a port that another one has just left; some other program's outgoing connection may take one such port
    /// in between, but not several in a row.
    private func successor(of port: UInt16) async throws -> HTTPServer {
        var port = port
        for _ in 0..<4 {
            if let next = try? HTTPServer(host: "127.0.0.1", port: port, respond: { _ in HTTPResponse(.ok, "ok") }) {
                return next
            }
            let other = try HTTPServer(host: "127.0.0.1", port: 0) { _ in HTTPResponse(.ok, "ok") }
            port = other.port
            await other.stop()
        }
        return try HTTPServer(host: "127.0.0.1", port: port) { _ in HTTPResponse(.ok, "ok") }
    }

    @Test func stoppingEndsWaitingConnectionsAndFreesThePort() async throws {
        let server = try HTTPServer(host: "127.0.0.1", port: 0) { _ in HTTPResponse(.ok, "ok") }
        let waiting = try RawHTTPClient(port: server.port)
        await server.stop()
        await server.stop()
        #expect(waiting.readToEnd() == "")
        let next = try await successor(of: server.port)
        #expect(throws: HTTPServerError.self) {
            try HTTPServer(host: "127.0.0.1", port: next.port) { _ in HTTPResponse(.ok, "ok") }
        }
        await next.stop()
        #expect(throws: HTTPServerError.self) {
            try HTTPProbe.get("/", host: "127.0.0.1", port: next.port, within: .seconds(20))
        }
        #expect(throws: HTTPServerError.self) {
            try HTTPServer(host: "not an address", port: 0) { _ in HTTPResponse(.ok, "") }
        }
    }
}

/// A connection that sends what it likes.
final class RawHTTPClient {
    private let socket: Socket
    private let deadline = ContinuousClock.now + .seconds(30)

    init(port: UInt16) throws {
        socket = try Socket.connect(host: "127.0.0.1", port: port, before: deadline)
    }

    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            switch socket.write(rest) {
            case .bytes(let count): rest = rest.dropFirst(count)
            case .ended: return
            case .wouldBlock: guard socket.wait(for: 4, before: deadline) else { return }
            }
        }
    }

    func endWriting() { socket.endWriting() }

    func readToEnd() -> String {
        var bytes: [UInt8] = []
        while true {
            switch socket.read(into: &bytes, limit: 65_536) {
            case .bytes: continue
            case .ended: return String(decoding: bytes, as: UTF8.self)
            case .wouldBlock: guard socket.wait(for: 1, before: deadline) else { return "timed out" }
            }
        }
    }
}

struct HostileRequest: Sendable, CustomTestStringConvertible {
    let text: String
    let status: Int

    init(_ text: String, _ status: Int) {
        self.text = text
        self.status = status
    }

    var testDescription: String { text.prefix(24).debugDescription }

    static let all = [
        HostileRequest("POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        HostileRequest("DELETE /a HTTP/1.1\r\n\r\n", 405),
        HostileRequest("GET /a HTTP/2.0\r\n\r\n", 505), HostileRequest("GET /a\r\n\r\n", 400),
        HostileRequest("GET  /a HTTP/1.1\r\n\r\n", 400),
        HostileRequest("GET a HTTP/1.1\r\n\r\n", 400), HostileRequest("GET http://x/a HTTP/1.1\r\n\r\n", 400),
        HostileRequest("\r\n\r\n", 400),
        HostileRequest("G\u{0}T /a HTTP/1.1\r\n\r\n", 400), HostileRequest("GET /a HTTP/1.1\r\nno colon\r\n\r\n", 400),
        HostileRequest("GET /a HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
        HostileRequest("GET /a HTTP/1.1\r\nA : b\r\n\r\n", 400),
        HostileRequest("GET /a HTTP/1.1\r\nA: b\rc\r\n\r\n", 400),
        HostileRequest("GET /a HTTP/1.1\r\nA: \u{0}\r\n\r\n", 400),
        HostileRequest("GET /\u{7F} HTTP/1.1\r\n\r\n", 400),
        HostileRequest("GET /a%00/../../etc/passwd HTTP/1.1\r\n\r\n", 404),
        HostileRequest("GET /" + String(repeating: "a", count: 9000) + " HTTP/1.1\r\n\r\n", 431),
        HostileRequest("GET /a HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: 100) + "\r\n", 400),
        HostileRequest("GET /a HTTP/1.1\r\nA: " + String(repeating: "b", count: 9000), 431),
        HostileRequest(
            "GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
            200),
    ]
}
