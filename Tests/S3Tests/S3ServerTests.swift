import Foundation
import ObjectStores
import Testing

@testable import S3

/// A server that checks signatures, which `scripts/object-store` starts.
enum RealServer {
    static let endpoint = ProcessInfo.processInfo.environment["RECTIFID_TEST_S3_ENDPOINT"]
    /// Its data, with the certificate.
    static let directory = ProcessInfo.processInfo.environment["RECTIFID_TEST_S3_DIR"]
}

@Suite(.timeLimit(.minutes(2)), .enabled(if: RealServer.endpoint != nil, "no S3 server was started"))
struct S3ServerTests {
    private func store(
        _ keyID: String = "rectifid", _ secret: String = "rectifid-secret", bucket: String = "pictures",
        prefix: String = "tests/\(UInt64.random(in: .min ... .max))"
    ) throws -> S3Store {
        S3Store(
            try S3Configuration(
                bucket: bucket, prefix: prefix, region: "eu-central-1", endpoint: RealServer.endpoint,
                credentials: S3Credentials(accessKeyID: keyID, secretAccessKey: secret)))
    }

    @Test func whatIsPutIsGot() async throws {
        let store = try store()
        try await store.check()
        let key = try ObjectKey("results/2026-11-22/job-1.a_b.jpg")
        #expect(try await store.size(of: key) == nil)
        // Larger than what libcurl would ask for leave to send, and than the server's own chunks.
        let bytes = (0..<9_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        try await store.put(bytes, at: key, contentType: "image/jpeg")
        #expect(try await store.size(of: key) == bytes.count)
        #expect(try await store.get(key, limit: bytes.count) == bytes)
        try await store.put([], at: key, contentType: "image/jpeg")
        #expect(try await store.get(key, limit: 0) == [])
        try await store.put([1, 2, 3], at: key, contentType: "image/png")
        #expect(try await store.get(key, limit: 3) == [1, 2, 3])
        await #expect(throws: ObjectStoreError.tooLarge(key, bytes: 3, limit: 2)) { try await store.get(key, limit: 2) }
        try await store.delete(key)
        try await store.delete(key)
        await #expect(throws: ObjectStoreError.notFound(key)) { try await store.get(key, limit: 3) }
    }

    @Test func wrongCredentialsAreDenied() async throws {
        let key = try ObjectKey("a")
        for store in [try store("rectifid", "wrong"), try store("nobody", "rectifid-secret")] {
            for call in [
                { () async throws in _ = try await store.get(key, limit: 3) },
                { () async throws in _ = try await store.size(of: key) },
                { () async throws in try await store.put([1], at: key, contentType: "image/png") },
                { () async throws in try await store.delete(key) },
                { () async throws in try await store.check() },
            ] {
                do {
                    try await call()
                    Issue.record("not denied")
                } catch ObjectStoreError.accessDenied(let reason) {
                    #expect(!reason.contains("wrong") && !reason.contains("rectifid-secret"))
                }
            }
        }
    }

    @Test func whoMayOnlyReadMayNotWrite() async throws {
        let prefix = "tests/\(UInt64.random(in: .min ... .max))"
        let key = try ObjectKey("a")
        try await store(prefix: prefix).put([7], at: key, contentType: "image/png")
        let reader = try store("reader", "reader-secret", prefix: prefix)
        #expect(try await reader.get(key, limit: 1) == [7])
        do {
            try await reader.put([8], at: key, contentType: "image/png")
            Issue.record("written")
        } catch ObjectStoreError.accessDenied {}
        #expect(try await reader.get(key, limit: 1) == [7])
    }

    @Test func aMissingBucketIsSaidSo() async throws {
        let store = try store(bucket: "no-such-bucket")
        let failure = ObjectStoreError.misconfigured(
            "there is no bucket 'no-such-bucket' at \(RealServer.endpoint ?? ""); create it")
        await #expect(throws: failure) { try await store.get(try ObjectKey("a"), limit: 3) }
        await #expect(throws: failure) { try await store.put([1], at: try ObjectKey("a"), contentType: "image/png") }
        await #expect(throws: failure) { try await store.check() }
    }

    @Test func encryptedConnectionsNeedATrustedCertificate() async throws {
        let directory = try #require(RealServer.directory)
        let url = try String(contentsOfFile: directory + "/https-url", encoding: .utf8)
        var configuration = try S3Configuration(
            bucket: "pictures", endpoint: url.trimmingCharacters(in: .whitespacesAndNewlines),
            credentials: S3Credentials(accessKeyID: "rectifid", secretAccessKey: "rectifid-secret"))
        let key = try ObjectKey("tests/encrypted")
        configuration.authorities = directory + "/ca.pem"
        try await S3Store(configuration).put([1, 2], at: key, contentType: "image/png")
        #expect(try await S3Store(configuration).get(key, limit: 2) == [1, 2])
        // The system's authorities do not vouch for it; nor is anybody asked in the clear, or again.
        for authorities in [nil, directory + "/none.pem"] {
            configuration.authorities = authorities
            let store = S3Store(configuration)
            let failure = await #expect(throws: ObjectStoreError.self) { try await store.get(key, limit: 2) }
            guard case .misconfigured(let reason)? = failure else {
                Issue.record("\(String(describing: failure))")
                continue
            }
            #expect(reason.contains("no trusted connection"))
        }
    }

    @Test func manyCallsAtOnceAreServed() async throws {
        let store = try store()
        try await withThrowingTaskGroup { group in
            for number in 0..<24 {
                group.addTask {
                    let key = try ObjectKey("many/\(number)")
                    let bytes = [UInt8](repeating: UInt8(number), count: 10_000 * number)
                    try await store.put(bytes, at: key, contentType: "image/png")
                    let got = try await store.get(key, limit: bytes.count)
                    #expect(got == bytes)
                }
            }
            try await group.waitForAll()
        }
    }
}
