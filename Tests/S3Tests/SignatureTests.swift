import Foundation
import ObjectStores
import Testing

@testable import S3

struct SignatureTests {
    /// What `scripts/make-s3-fixtures` had botocore sign.
    struct Known: Decodable {
        struct Case: Decodable, CustomTestStringConvertible {
            var name, method, path, bodyDigest, region: String
            var query, headers: [[String]]
            var time: Double
            var sessionToken: String?
            var canonicalRequest, stringToSign, signature, authorization: String

            var testDescription: String { name }
        }

        var accessKeyID, secretAccessKey: String
        var cases: [Case]

        static func read() throws -> Known {
            let file = try #require(Bundle.module.url(forResource: "Fixtures/signatures", withExtension: "json"))
            return try JSONDecoder().decode(Known.self, from: Data(contentsOf: file))
        }
    }

    @Test func signaturesAreBotocores() throws {
        let known = try Known.read()
        #expect(known.cases.count == 12)
        for example in known.cases {
            let signer = S3Signer(
                credentials: S3Credentials(
                    accessKeyID: known.accessKeyID, secretAccessKey: known.secretAccessKey,
                    sessionToken: example.sessionToken),
                region: example.region)
            let signed = try signer.sign(
                S3Signer.Request(
                    method: example.method, path: example.path, query: example.query.map { ($0[0], $0[1]) },
                    headers: example.headers.map { ($0[0], $0[1]) }, bodyDigest: bytes(example.bodyDigest)),
                at: Date(timeIntervalSince1970: example.time))
            #expect(signed.canonicalRequest == example.canonicalRequest, "\(example.name)")
            #expect(signed.stringToSign == example.stringToSign, "\(example.name)")
            #expect(signed.signature == example.signature, "\(example.name)")
            #expect(signed.headers.last?.value == example.authorization, "\(example.name)")
        }
    }

    /// RFC 4231, cases 1, 2, 3 and 6 (a key longer than a block), and one with an empty key.
    @Test func digestsAreThoseOfTheStandard() throws {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(Digest.hexadecimal(try Digest.sha256(Array("abc".utf8))) == abc)
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        #expect(Digest.hexadecimal(try Digest.sha256([])) == empty)
        let cases: [(key: [UInt8], text: [UInt8], digest: String)] = [
            (
                [UInt8](repeating: 0x0B, count: 20), Array("Hi There".utf8),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                [UInt8](repeating: 0xAA, count: 20), [UInt8](repeating: 0xDD, count: 50),
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
            ),
            (
                [UInt8](repeating: 0xAA, count: 131),
                Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
            ([], [], "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
        ]
        for example in cases {
            #expect(Digest.hexadecimal(try Digest.hmac(example.text, key: example.key)) == example.digest)
        }
    }

    @Test func credentialsDoNotShowTheirSecrets() throws {
        let credentials = S3Credentials(accessKeyID: "AKID", secretAccessKey: "s3cr3t", sessionToken: "t0k3n")
        var dumped = ""
        dump(credentials, to: &dumped)
        let configuration = try S3Configuration(bucket: "pictures", credentials: credentials)
        dump(configuration, to: &dumped)
        for text in [
            "\(credentials)", String(reflecting: credentials), dumped, "\(configuration)",
            String(reflecting: configuration),
        ] {
            #expect(!text.contains("s3cr3t") && !text.contains("t0k3n"), "\(text)")
            #expect(text.contains("AKID"))
        }
    }

    @Test func credentialsComeFromTheEnvironment() {
        var environment = ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": ""]
        #expect(
            S3Credentials(environment: environment) == S3Credentials(accessKeyID: "AKID", secretAccessKey: "secret"))
        environment["AWS_SESSION_TOKEN"] = "token"
        #expect(S3Credentials(environment: environment)?.sessionToken == "token")
        environment["AWS_SECRET_ACCESS_KEY"] = ""
        #expect(S3Credentials(environment: environment) == nil)
    }

    private func bytes(_ digits: String) -> [UInt8] {
        stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(digits.dropFirst($0).prefix(2), radix: 16) }
    }
}
