import Foundation
import ObjectStores
import Testing

@testable import S3

/// What servers do that a well one does not.
@Suite(.timeLimit(.minutes(1)))
struct S3FailureTests {
    let key: ObjectKey

    init() throws { key = try ObjectKey("a/b") }

    private func withServer(
        _ reactions: ScriptedServer.Reaction..., stallTime: Duration = .seconds(20),
        clock: InstantClock = InstantClock(),
        _ body: (S3Store, ScriptedServer) async throws -> Void
    ) async throws {
        let server = try ScriptedServer(reactions)
        defer { server.close() }
        var configuration = try S3Configuration(
            bucket: "pictures", endpoint: "http://127.0.0.1:\(server.port)",
            credentials: S3Credentials(accessKeyID: "AKID", secretAccessKey: "s3cr3t", sessionToken: "t0k3n"))
        configuration.stallTime = stallTime
        configuration.tries = 3
        try await body(S3Store(configuration, clock: clock), server)
    }

    /// The error of a call, whose text must not hold secrets.
    private func error<Value>(of call: () async throws -> Value) async -> ObjectStoreError? {
        do {
            _ = try await call()
            Issue.record("the call succeeded")
        } catch {
            #expect(!"\(error)".contains("s3cr3t") && !"\(error)".contains("t0k3n"))
            return error as? ObjectStoreError
        }
        return nil
    }

    private static func document(_ status: String, _ code: String, _ message: String = "why") -> String {
        let body = "<?xml version=\"1.0\"?><Error><Code>\(code)</Code><Message>\(message)</Message></Error>"
        return "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    @Test func aBusyServerIsTriedAgainAndThenServes() async throws {
        let clock = InstantClock()
        try await withServer(
            .send(Self.document("503 Slow Down", "SlowDown")),
            .sendAndClose("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
            .send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), clock: clock
        ) { store, server in
            let bytes = try await store.get(key, limit: 3)
            #expect(bytes == Array("abc".utf8))
            #expect(server.heads.count == 3)
            #expect(clock.pauses.count == 2)
            #expect((.milliseconds(100)...(.milliseconds(200))).contains(clock.pauses[0]))
            #expect((.milliseconds(300)...(.milliseconds(600))).contains(clock.pauses[1]))
            let head = server.heads[0]
            #expect(head.hasPrefix("GET /pictures/a/b HTTP/1.1\r\n"))
            #expect(
                head.contains("X-Amz-Security-Token: t0k3n\r\n") && head.contains("Authorization: AWS4-HMAC-SHA256 "))
            #expect(!head.contains("s3cr3t"))
        }
    }

    @Test func aServerThatStaysBusyIsUnavailable() async throws {
        try await withServer(.send(Self.document("503 Slow Down", "SlowDown", "Reduce your rate"))) { store, server in
            let failure = await error { try await store.get(key, limit: 3) }
            #expect(failure == .unavailable("503 SlowDown: Reduce your rate"))
            #expect(server.heads.count == 3)
        }
    }

    @Test func aServerThatHangsIsUnavailable() async throws {
        try await withServer(.hang, stallTime: .milliseconds(80)) { store, server in
            for call in [
                { () async throws in _ = try await store.get(key, limit: 3) },
                { () async throws in try await store.put([1], at: key, contentType: "image/png") },
            ] {
                guard case .unavailable(let reason) = await error(of: call) else {
                    Issue.record("not unavailable")
                    continue
                }
                #expect(reason.contains("did not answer in time"))
            }
            #expect(server.heads.count == 6)
        }
    }

    @Test func aServerThatHangsInMidBodyIsUnavailable() async throws {
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
        // After the half, the connection stays open while the server waits for a next request.
        try await withServer(.send(half), stallTime: .milliseconds(80)) { store, _ in
            let failure = await error { try await store.get(key, limit: 10) }
            #expect(failure?.isRetryable == true)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "", "HTTP/1.1 2",
    ])
    func aServerThatDiesInTheMiddleIsUnavailable(half: String) async throws {
        try await withServer(.sendAndClose(half)) { store, server in
            let failure = await error { try await store.get(key, limit: 10) }
            #expect(failure?.isRetryable == true, "\(String(describing: failure))")
            // libcurl itself may have tried once more where a kept connection was closed.
            #expect(server.heads.count >= 3)
        }
    }

    @Test func nobodyListeningIsUnavailable() async throws {
        let server = try ScriptedServer([.hang])
        let configuration = try S3Configuration(
            bucket: "pictures", endpoint: "http://127.0.0.1:\(server.port)",
            credentials: S3Credentials(accessKeyID: "AKID", secretAccessKey: "secret"))
        // A port that was just bound and is free again.
        server.close()
        let store = S3Store(configuration, clock: InstantClock())
        let failure = await error { try await store.put([1], at: key, contentType: "image/png") }
        #expect(failure?.isRetryable == true)
    }

    @Test func bodiesAreBounded() async throws {
        let announced = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
        try await withServer(.flood(announced)) { store, server in
            let failure = await error { try await store.get(key, limit: 100) }
            #expect(failure == .tooLarge(key, bytes: 99_999_999_999, limit: 100))
            #expect(server.heads.count == 1)
        }
        // Nothing announced: ended once the limit is passed.
        try await withServer(.flood("HTTP/1.1 200 OK\r\n\r\n")) { store, server in
            let failure = await error { try await store.get(key, limit: 1_000_000) }
            #expect(failure == .tooLarge(key, bytes: nil, limit: 1_000_000))
        }
        // An error document without an end is cut; it ends with the exchange's own time.
        try await withServer(.sendAndClose("HTTP/1.1 403 No\r\n\r\n" + String(repeating: "x", count: 200_000))) {
            store, _ in
            guard case .accessDenied = await error(of: { try await store.get(key, limit: 1) })
            else { Issue.record("not denied"); return }
        }
    }

    @Test func repliesHaveTheirTypes() async throws {
        let replies: [(String, (ObjectStoreError) -> Bool)] = [
            (Self.document("404 Not Found", "NoSuchKey"), { $0 == .notFound(key) }),
            (Self.document("404 Not Found", "NoSuchBucket"), { if case .misconfigured = $0 { true } else { false } }),
            (
                Self.document("403 Forbidden", "SignatureDoesNotMatch"),
                { if case .accessDenied = $0 { true } else { false } }
            ),
            (Self.document("403 Forbidden", "RequestTimeTooSkewed"), { "\($0)".contains("clock is wrong") }),
            (Self.document("301 Moved", "PermanentRedirect"), { "\($0)".contains("region 'us-east-1'") }),
            (
                Self.document("400 Bad Request", "AuthorizationHeaderMalformed", "expecting 'eu-west-1'"),
                { "\($0)".contains("eu-west-1") }
            ),
            (Self.document("400 Bad Request", "RequestTimeout"), { $0.isRetryable }),
            (Self.document("429 Too Many Requests", ""), { $0.isRetryable }),
            (
                Self.document("418 Teapot", "Short\r\nAnd\u{1b}[31mStout"),
                { !"\($0)".unicodeScalars.contains { $0.value < 0x20 } }
            ),
        ]
        for (reply, isRight) in replies {
            try await withServer(.send(reply)) { store, _ in
                let failure = await error { try await store.get(key, limit: 10) }
                #expect(failure.map(isRight) == true, "\(String(describing: failure))")
            }
        }
    }

    @Test func redirectionsAreNotFollowed() async throws {
        let reply =
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n"
        try await withServer(.send(reply)) { store, server in
            guard case .misconfigured = await error(of: { try await store.get(key, limit: 10) })
            else { Issue.record("not misconfigured"); return }
            #expect(server.heads.count == 1)
        }
    }

    @Test func aCancelledTaskEndsItsCallAtOnce() async throws {
        try await withServer(.hang) { store, server in
            let call = Task { () -> ObjectStoreError? in
                await error { try await store.get(key, limit: 10) }
            }
            while server.heads.isEmpty { await Task.yield() }
            call.cancel()
            let failure = await call.value
            #expect(failure == .cancelled)
        }
    }

    @Test func connectionsAreKept() async throws {
        try await withServer(.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")) { store, server in
            for _ in 0..<5 {
                let bytes = try await store.get(key, limit: 1)
                #expect(bytes == [97])
            }
            #expect(server.connections == 1 && server.heads.count == 5)
        }
    }
}
