import ArgumentParser
import Foundation
import Messages
import ObjectStores
import RectifIDClient
import S3

/// Where pictures too large for a message go; shared by the commands that send or make pictures.
struct StoreOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The store that clients and workers share for pictures too large for a message: file:///folder or \
            s3://bucket/prefix, with credentials in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. \
            [RECTIFID_STORE]
            """, valueName: "url"))
    var store: String?

    @Option(
        help: ArgumentHelp(
            """
            Most bytes of pictures in one message, 8388608 by default; what is more goes through the store. \
            [RECTIFID_CLAIM_CHECK_THRESHOLD]
            """, valueName: "bytes"))
    var claimCheckThreshold: Int?

    @Option(
        name: .customLong("s3-endpoint"),
        help: "A server other than Amazon's, http:// or https://. [RECTIFID_S3_ENDPOINT]")
    var s3Endpoint: String?

    @Option(name: .customLong("s3-region"), help: "The bucket's region; us-east-1 by default. [RECTIFID_S3_REGION]")
    var s3Region: String?

    @Flag(
        name: .customLong("s3-bucket-in-host"),
        help:
            "With --s3-endpoint: the bucket is a part of the host's name, not of the path. [RECTIFID_S3_BUCKET_IN_HOST]"
    )
    var s3BucketInHost = false

    @Option(
        name: .customLong("s3-ca"),
        help: "PEM file of the authorities to trust with https; the system's by default. [RECTIFID_S3_CA]")
    var s3CA: String?

    mutating func validate() throws {
        store = try EnvironmentValue.value(store, "store")
        claimCheckThreshold = try EnvironmentValue.value(claimCheckThreshold, "claim-check-threshold")
        s3Endpoint = try EnvironmentValue.value(s3Endpoint, "s3-endpoint")
        s3Region = try EnvironmentValue.value(s3Region, "s3-region")
        s3BucketInHost = try EnvironmentValue.flag(s3BucketInHost, "s3-bucket-in-host")
        s3CA = try EnvironmentValue.value(s3CA, "s3-ca")
        if let claimCheckThreshold, !ClaimCheck.thresholds.contains(claimCheckThreshold) {
            throw ValidationError(
                "--claim-check-threshold \(claimCheckThreshold); 0 to \(ClaimCheck.thresholds.upperBound) are possible")
        }
        if let store, Place(store) == nil {
            throw ValidationError("--store \(store); file:///folder and s3://bucket/prefix are possible")
        }
    }

    /// The two kinds of store, as `--store` names them.
    private enum Place {
        case folder(String)
        case bucket(String, prefix: String)

        init?(_ text: String) {
            if let rest = text.trimmed(of: "file://"), rest.hasPrefix("/") {
                self = .folder(rest.removingPercentEncoding ?? rest)
            } else if let rest = text.trimmed(of: "s3://"), !rest.isEmpty {
                let parts = rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
                var prefix = parts.count > 1 ? String(parts[1]) : ""
                if prefix.hasSuffix("/") { prefix.removeLast() }
                self = .bucket(String(parts[0]), prefix: prefix)
            } else {
                return nil
            }
        }
    }

    /// What was asked for; nil where it is nothing.
    ///
    /// - Throws: ``CommandFailure`` for a store that cannot be.
    func claimCheck() throws -> ClaimCheck? {
        guard let store, let place = Place(store) else { return nil }
        let threshold = claimCheckThreshold ?? ClaimCheck.standardThreshold
        do throws(ObjectStoreError) {
            switch place {
            case .folder(let path): return ClaimCheck(try FileSystemStore(root: path), threshold: threshold)
            case .bucket(let name, let prefix):
                return ClaimCheck(S3Store(try configuration(bucket: name, prefix: prefix)), threshold: threshold)
            }
        } catch {
            throw CommandFailure(error)
        }
    }

    private func configuration(bucket: String, prefix: String) throws(ObjectStoreError) -> S3Configuration {
        guard let credentials = S3Credentials(environment: ProcessInfo.processInfo.environment) else {
            throw .misconfigured("no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        }
        var configuration = try S3Configuration(
            bucket: bucket, prefix: prefix, region: s3Region ?? "us-east-1", endpoint: s3Endpoint,
            usesPathStyle: s3BucketInHost ? false : nil, credentials: credentials)
        configuration.authorities = s3CA
        return configuration
    }
}

extension String {
    fileprivate func trimmed(of prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}

extension CommandFailure {
    /// What a store did not do.
    init(_ error: ObjectStoreError) {
        let code: Code =
            switch error {
            case .notFound, .tooLarge, .invalidKey: .missingInput
            case .accessDenied, .misconfigured: .unavailable
            case .unavailable, .cancelled: .temporary
            }
        self.init(code, "\(error)")
    }
}
