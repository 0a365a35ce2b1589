import CTransfer
public import Foundation
public import ObjectStores

/// Objects in a bucket of Amazon S3 or of a server that speaks its protocol, such as MinIO, SeaweedFS, Ceph or R2.
public struct S3Store: ObjectStore {
    public let configuration: S3Configuration
    private let signer: S3Signer
    private let transfers = Transfers()
    private let clock: any Clock<Duration>
    private let date: @Sendable () -> Date

    /// - Parameters:
    ///   - clock: What it waits on between tries.
    ///   - date: The time that signatures state; servers refuse one that is 15 minutes off.
    public init(
        _ configuration: S3Configuration, clock: any Clock<Duration> = ContinuousClock(),
        date: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.configuration = configuration
        self.clock = clock
        self.date = date
        signer = S3Signer(credentials: configuration.credentials, region: configuration.region)
    }

    public var name: String {
        let prefix = configuration.prefix.isEmpty ? "" : "/\(configuration.prefix)"
        return "s3://\(configuration.bucket)\(prefix) at \(configuration.origin)"
    }

    public func put(_ bytes: [UInt8], at key: ObjectKey, contentType: String) async throws(ObjectStoreError) {
        _ = try await call(TRANSFER_PUT, key, body: bytes, contentType: contentType)
    }

    public func get(_ key: ObjectKey, limit: Int) async throws(ObjectStoreError) -> [UInt8] {
        try await call(TRANSFER_GET, key, limit: limit).body
    }

    public func size(of key: ObjectKey) async throws(ObjectStoreError) -> Int? {
        do throws(ObjectStoreError) {
            return try await call(TRANSFER_HEAD, key).contentLength ?? 0
        } catch .notFound {
            return nil
        }
    }

    public func delete(_ key: ObjectKey) async throws(ObjectStoreError) {
        do throws(ObjectStoreError) {
            _ = try await call(TRANSFER_DELETE, key)
        } catch .notFound {}
    }
}

extension S3Store {
    /// Calls, and calls again while the server is not there or too busy.
    private func call(
        _ method: transfer_method, _ key: ObjectKey, body: [UInt8] = [], contentType: String? = nil, limit: Int = 0
    ) async throws(ObjectStoreError) -> Transfers.Reply {
        var pause = Duration.milliseconds(200)
        var tries = 1
        while true {
            do throws(ObjectStoreError) {
                // Signed anew each time, for a signature has the time in it.
                let request = try request(method, key, body: body, contentType: contentType, limit: limit)
                return try await call(request, key)
            } catch {
                guard error.isRetryable, tries < configuration.tries else { throw error }
            }
            // Jitter, so that workers that lost the same server do not return in step.
            do { try await clock.sleep(for: pause * Double.random(in: 0.5...1)) } catch { throw .cancelled }
            pause = min(pause * 3, .seconds(5))
            tries += 1
        }
    }

    private func request(
        _ method: transfer_method, _ key: ObjectKey, body: [UInt8], contentType: String?, limit: Int
    ) throws(ObjectStoreError) -> Transfers.Request {
        let path = configuration.path(of: key)
        var headers = [("Host", configuration.host)]
        if let contentType { headers.append(("Content-Type", contentType)) }
        let added: [(name: String, value: String)]
        do throws(Digest.Failure) {
            added = try signer.sign(
                S3Signer.Request(
                    method: method.name, path: path, headers: headers, bodyDigest: try Digest.sha256(body)),
                at: date()
            ).headers
        } catch {
            throw .unavailable("the request could not be signed: libcrypto failed")
        }
        return Transfers.Request(
            method: method, url: configuration.origin + path,
            // Some servers never say "100 Continue", and libcurl would wait for it.
            headers: headers + added + [("User-Agent", "rectifid"), ("Expect", "")], body: body, limit: limit,
            stallTime: configuration.stallTime, timeLimit: configuration.timeLimit,
            authorities: configuration.authorities)
    }

    private func call(_ request: Transfers.Request, _ key: ObjectKey) async throws(ObjectStoreError) -> Transfers.Reply
    {
        let reply: Transfers.Reply
        do throws(Transfers.Failure) {
            reply = try await transfers.perform(request)
        } catch {
            throw S3Failure(error, limit: request.limit, key: key, origin: configuration.origin).error
        }
        guard !(200..<300).contains(reply.status) else { return reply }
        throw S3Failure(reply, key: key, configuration).error
    }
}

extension transfer_method {
    fileprivate var name: String {
        switch self {
        case TRANSFER_PUT: "PUT"
        case TRANSFER_HEAD: "HEAD"
        case TRANSFER_DELETE: "DELETE"
        default: "GET"
        }
    }
}
