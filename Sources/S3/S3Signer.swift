import Foundation

/// Signs requests with AWS Signature Version 4, as S3 wants it.
///
/// Source: "Signature Version 4 for API requests", AWS Identity and Access Management User Guide. For S3 the path is
/// escaped once and not normalised, and the body's digest is a header of its own.
struct S3Signer: Sendable {
    var credentials: S3Credentials
    var region: String
    var service = "s3"

    /// A request before it is signed.
    struct Request: Sendable {
        var method: String
        /// Not escaped.
        var path: String
        /// Neither escaped nor in order.
        var query: [(name: String, value: String)] = []
        /// `Host` among them.
        var headers: [(name: String, value: String)]
        /// SHA-256 of the body.
        var bodyDigest: [UInt8]
    }

    /// What signing adds to a request, and what it went through.
    struct Signed: Sendable {
        var canonicalRequest: String
        var stringToSign: String
        var signature: String
        /// To be sent with those of the request.
        var headers: [(name: String, value: String)]
    }

    func sign(_ request: Request, at date: Date) throws(Digest.Failure) -> Signed {
        let time = date.formatted(
            .iso8601.year().month().day().dateSeparator(.omitted).time(includingFractionalSeconds: false)
                .timeSeparator(.omitted).timeZone(separator: .omitted))
        let scope = "\(time.prefix(8))/\(region)/\(service)/aws4_request"
        var added = [("X-Amz-Content-SHA256", Digest.hexadecimal(request.bodyDigest)), ("X-Amz-Date", time)]
        if let token = credentials.sessionToken { added.append(("X-Amz-Security-Token", token)) }

        let headers = (request.headers + added).map { ($0.0.lowercased(), Self.trimmed($0.1)) }
            .sorted { $0.0 < $1.0 }
        let names = headers.map(\.0).joined(separator: ";")
        let canonical = [
            request.method, Self.escaped(request.path, keepingSlashes: true), Self.canonical(request.query),
            headers.map { "\($0):\($1)\n" }.joined(), names, Digest.hexadecimal(request.bodyDigest),
        ].joined(separator: "\n")
        let digest = try Digest.sha256(Array(canonical.utf8))
        let text = ["AWS4-HMAC-SHA256", time, scope, Digest.hexadecimal(digest)].joined(separator: "\n")

        var key = Array("AWS4\(credentials.secretAccessKey)".utf8)
        for part in [String(time.prefix(8)), region, service, "aws4_request", text] {
            key = try Digest.hmac(Array(part.utf8), key: key)
        }
        let signature = Digest.hexadecimal(key)
        let authorization =
            "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope), SignedHeaders=\(names), Signature=\(signature)"
        return Signed(
            canonicalRequest: canonical, stringToSign: text, signature: signature,
            headers: added + [("Authorization", authorization)])
    }

    private static func canonical(_ query: [(name: String, value: String)]) -> String {
        query.map { (escaped($0.name), escaped($0.value)) }.sorted { $0 < $1 }.map { "\($0)=\($1)" }
            .joined(separator: "&")
    }

    /// Everything but RFC 3986's unreserved characters as `%` and two hexadecimal digits.
    static func escaped(_ text: String, keepingSlashes: Bool = false) -> String {
        var escaped = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            case UInt8(ascii: "/") where keepingSlashes: escaped += "/"
            default: escaped += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
        return escaped
    }

    /// Without spaces around, and runs of spaces as one.
    private static func trimmed(_ value: String) -> String {
        value.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    }
}
