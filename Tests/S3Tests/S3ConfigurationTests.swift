import ObjectStores
import Testing

@testable import S3

struct S3ConfigurationTests {
    let credentials = S3Credentials(accessKeyID: "AKID", secretAccessKey: "secret")

    @Test func amazonHasTheBucketInItsHost() throws {
        let configuration = try S3Configuration(
            bucket: "pictures", prefix: "rectifid/a", region: "eu-central-1", credentials: credentials)
        #expect(configuration.origin == "https://pictures.s3.eu-central-1.amazonaws.com")
        #expect(try configuration.path(of: ObjectKey("b/c.jpg")) == "/rectifid/a/b/c.jpg")
        // Amazon's certificate does not match names with dots.
        let dotted = try S3Configuration(bucket: "my.pictures", region: "us-east-1", credentials: credentials)
        #expect(dotted.origin == "https://s3.us-east-1.amazonaws.com")
        #expect(try dotted.path(of: ObjectKey("c")) == "/my.pictures/c")
    }

    @Test func anotherEndpointHasItInThePath() throws {
        let configuration = try S3Configuration(
            bucket: "pictures", endpoint: "HTTP://127.0.0.1:8333/", credentials: credentials)
        #expect(configuration.origin == "http://127.0.0.1:8333")
        #expect(try configuration.path(of: ObjectKey("b/c.jpg")) == "/pictures/b/c.jpg")
        let hosted = try S3Configuration(
            bucket: "pictures", endpoint: "https://example.test:443", usesPathStyle: false, credentials: credentials)
        #expect(hosted.host == "pictures.example.test")
        #expect(try hosted.path(of: ObjectKey("b")) == "/b")
        let six = try S3Configuration(bucket: "pictures", endpoint: "http://[::1]:80", credentials: credentials)
        #expect(six.host == "[::1]")
    }

    @Test(arguments: ["", "ab", "Pictures", "-pictures", "a/b", "pic tures", String(repeating: "a", count: 64)])
    func bucketsHaveRules(bucket: String) throws {
        let error = #expect(throws: ObjectStoreError.self) {
            _ = try S3Configuration(bucket: bucket, credentials: credentials)
        }
        #expect("\(try #require(error))".contains("bucket"))
    }

    @Test(arguments: [
        "", "127.0.0.1:9000", "ftp://host", "http://", "http://user:pass@host", "http://host/path", "http://host?a=b",
        "http://host#a", "http:// host",
    ])
    func endpointsHaveRules(endpoint: String) throws {
        let error = #expect(throws: ObjectStoreError.self) {
            _ = try S3Configuration(bucket: "pictures", endpoint: endpoint, credentials: credentials)
        }
        #expect(!"\(try #require(error))".contains("pass@"))
    }

    @Test(arguments: ["", "eu central", "EU", "a/b", "x\r\ny"])
    func regionsHaveRules(region: String) {
        #expect(throws: ObjectStoreError.self) {
            _ = try S3Configuration(bucket: "pictures", region: region, credentials: credentials)
        }
    }

    @Test(arguments: ["/", "a/", "/a", "../a", "a//b", "a b"])
    func prefixesAreKeys(prefix: String) {
        #expect(throws: ObjectStoreError.self) {
            _ = try S3Configuration(bucket: "pictures", prefix: prefix, credentials: credentials)
        }
    }
}
