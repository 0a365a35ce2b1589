import Foundation
public import ObjectStores

/// Where a bucket is and how it is spoken to.
public struct S3Configuration: Sendable, Equatable {
    /// `http://` or `https://` with a host and, where it is not the scheme's own, a port; no path.
    let endpoint: URL
    public private(set) var region: String
    public private(set) var bucket: String
    /// What every key in the bucket begins with: empty, or a key of its own, without a slash at the end.
    public private(set) var prefix: String
    /// Whether the bucket stands in the path (most servers of one's own) or in the host's name (Amazon).
    public var usesPathStyle: Bool
    public var credentials: S3Credentials
    /// PEM file of the authorities to trust with https; the system's where it is nil.
    public var authorities: String?
    /// How long a try may go without a byte moving, connecting included.
    public var stallTime: Duration = .seconds(15)
    /// How long a try may take in all.
    public var timeLimit: Duration = .seconds(120)
    /// How often a call is tried where the server does not answer, or answers 429 or 5xx.
    public var tries = 4

    /// A bucket.
    ///
    /// - Parameters:
    ///   - endpoint: nil for Amazon's in the region.
    ///   - usesPathStyle: By default as the endpoint needs it: in the path where one is given.
    /// - Throws: `.misconfigured` that says which part cannot be.
    public init(
        bucket: String, prefix: String = "", region: String = "us-east-1", endpoint: String? = nil,
        usesPathStyle: Bool? = nil, credentials: S3Credentials
    ) throws(ObjectStoreError) {
        guard Self.isBucket(bucket) else {
            throw .misconfigured("bucket '\(bucket)'; allowed: 3 to 63 of a-z 0-9 . and -")
        }
        guard (1...64).contains(region.utf8.count), region.utf8.allSatisfy({ Self.isLowercase($0) || $0 == 0x2D })
        else {
            throw .misconfigured("region '\(region)'; allowed: a name such as eu-central-1")
        }
        // Keys stand after it, 512 characters of the 1024 that S3 allows.
        guard prefix.isEmpty || ObjectKey.isKey(prefix) else {
            throw .misconfigured("prefix '\(prefix)'; allowed: \(ObjectKey.allowed)")
        }
        self.endpoint = try Self.endpoint(endpoint ?? "https://s3.\(region).amazonaws.com")
        self.region = region
        self.bucket = bucket
        self.prefix = prefix
        // A name with dots does not match Amazon's certificate, either.
        self.usesPathStyle = usesPathStyle ?? (endpoint != nil || bucket.contains("."))
        self.credentials = credentials
    }

    private static func endpoint(_ text: String) throws(ObjectStoreError) -> URL {
        let allowed = "http://host:port or https://host:port, without user, path or query"
        guard let url = URL(string: text), let scheme = url.scheme?.lowercased(), ["http", "https"].contains(scheme),
            let host = url.host(), !host.isEmpty, url.user() == nil, url.password() == nil, url.query() == nil,
            url.fragment() == nil, ["", "/"].contains(url.path())
        else {
            // Not the text itself, which may hold a password.
            throw .misconfigured("the endpoint is not an address; allowed: \(allowed)")
        }
        return url
    }

    private static func isBucket(_ text: String) -> Bool {
        (3...63).contains(text.utf8.count)
            && text.utf8.allSatisfy { isLowercase($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
            && !text.hasPrefix(".") && !text.hasPrefix("-")
    }

    private static func isLowercase(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// `Host` of requests: with the port where it is not the scheme's own, as HTTP clients send it.
    var host: String {
        let standard = endpoint.scheme?.lowercased() == "https" ? 443 : 80
        var host = endpoint.host() ?? ""
        if host.contains(":") { host = "[\(host)]" }
        let port = endpoint.port.flatMap { $0 == standard ? nil : ":\($0)" } ?? ""
        return (usesPathStyle ? "" : "\(bucket).") + host + port
    }

    /// Scheme and host of requests.
    var origin: String { "\(endpoint.scheme?.lowercased() ?? "https")://\(host)" }

    /// The path of an object, which needs no escapes: keys, prefixes and buckets have no character that would.
    func path(of key: ObjectKey) -> String {
        (usesPathStyle ? "/\(bucket)" : "") + (prefix.isEmpty ? "" : "/\(prefix)") + "/\(key)"
    }
}
