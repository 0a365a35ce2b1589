import CTransfer
import ObjectStores

/// What a failed exchange means.
struct S3Failure {
    let error: ObjectStoreError

    /// Of an exchange without a whole reply.
    init(_ failure: Transfers.Failure, limit: Int, key: ObjectKey, origin: String) {
        let words = failure.message.isEmpty ? "" : " (\(failure.message))"
        switch failure.outcome {
        case TRANSFER_TOO_LARGE:
            error = .tooLarge(key, bytes: failure.contentLength.flatMap { $0 > limit ? $0 : nil }, limit: limit)
        case TRANSFER_CANCELLED: error = .cancelled
        case TRANSFER_UNTRUSTED: error = .misconfigured("no trusted connection to \(origin)\(words)")
        case TRANSFER_TIMED_OUT: error = .unavailable("\(origin) did not answer in time\(words)")
        case TRANSFER_UNREACHABLE: error = .unavailable("\(origin) cannot be reached\(words)")
        case TRANSFER_INTERRUPTED: error = .unavailable("the connection to \(origin) ended in the middle\(words)")
        case TRANSFER_NO_MEMORY: error = .unavailable("no memory for the exchange with \(origin)")
        default: error = .unavailable("the exchange with \(origin) failed\(words)")
        }
    }

    /// Of a reply other than 2xx.
    ///
    /// Its document names a code; replies to HEAD have none.
    init(_ reply: Transfers.Reply, key: ObjectKey, _ configuration: S3Configuration) {
        let document = String(decoding: reply.body, as: UTF8.self)
        let code = Self.element("Code", in: document) ?? ""
        let message = Self.element("Message", in: document) ?? ""
        let words = "\(reply.status)\(code.isEmpty ? "" : " \(code)")\(message.isEmpty ? "" : ": \(message)")"
        let bucket = configuration.bucket
        error =
            switch (reply.status, code) {
            case (_, "NoSuchBucket"):
                .misconfigured("there is no bucket '\(bucket)' at \(configuration.origin); create it")
            case (404, _): .notFound(key)
            case (403, "RequestTimeTooSkewed"):
                .accessDenied("\(words); this machine's clock is wrong")
            case (401, _), (403, _):
                .accessDenied(
                    "\(words); '\(key)' in bucket '\(bucket)' with access key \(configuration.credentials.accessKeyID)"
                        + (code == "AccessDenied"
                            ? "; who may not list a bucket sees this for a missing object, too" : ""))
            case (408, _), (429, _), (500..., _), (_, "RequestTimeout"), (_, "SlowDown"): .unavailable(words)
            case (300..<400, _), (_, "AuthorizationHeaderMalformed"):
                .misconfigured(
                    "\(words); region '\(configuration.region)' or endpoint \(configuration.origin) is not the bucket's"
                        + (Self.element("Region", in: document).map { ", which is in '\($0)'" } ?? ""))
            default: .misconfigured(words)
            }
    }

    /// The text of the first element of a name; S3's error documents are flat.
    ///
    /// At most 300 printable characters.
    private static func element(_ name: String, in document: String) -> String? {
        guard let start = document.firstRange(of: "<\(name)>"),
            let end = document[start.upperBound...].firstRange(of: "</\(name)>")
        else { return nil }
        let text = document[start.upperBound..<end.lowerBound].unicodeScalars.filter { $0.value >= 0x20 }.prefix(300)
        return String(String.UnicodeScalarView(text))
    }
}
