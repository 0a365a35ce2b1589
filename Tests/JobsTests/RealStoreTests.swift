import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
import ObjectStores
import RectifIDClient
import S3
import Testing

/// The whole way of pictures through stores as they are in service: a folder, and an S3 server that checks signatures.
@Suite(.timeLimit(.minutes(2)))
struct RealStoreTests {
    static let endpoint = ProcessInfo.processInfo.environment["RECTIFID_TEST_S3_ENDPOINT"]

    @Test(arguments: BrokerKind.available)
    func picturesGoThroughAFolder(kind: BrokerKind) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rectifid-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await sendPictures(through: try FileSystemStore(root: folder.path), kind)
    }

    @Test(.enabled(if: endpoint != nil, "no S3 server was started"), arguments: BrokerKind.available)
    func picturesGoThroughABucket(kind: BrokerKind) async throws {
        let configuration = try S3Configuration(
            bucket: "pictures", prefix: "jobs/\(UInt64.random(in: .min ... .max))", endpoint: Self.endpoint,
            credentials: S3Credentials(accessKeyID: "rectifid", secretAccessKey: "rectifid-secret"))
        try await sendPictures(through: S3Store(configuration), kind)
    }

    /// References by key, the result by key, and the client's way to each.
    private func sendPictures(through store: any ObjectStore, _ kind: BrokerKind) async throws {
        let claimCheck = ClaimCheck(store, threshold: 0)
        try await Stage.play(kind) { stage in
            var configuration = stage.configuration()
            configuration.claimCheck = claimCheck
            let client = try await stage.client()
            try await stage.withWorker(ScriptedPersonalizer(), configuration: configuration) { _ in
                let id = PersonalizationClient.newJobID()
                let request = try await claimCheck.deposit(
                    try Sample.request(), jobID: id, at: WallTime.system.read())
                guard case .key? = request.references.first?.picture else {
                    Issue.record("the reference was not stored")
                    return
                }
                let result = try await client.submit(request, jobID: id).result()
                #expect(result.status == .ok)
                guard case .key(let key)? = result.picture?.content else {
                    Issue.record("the result was not stored")
                    return
                }
                #expect(key.hasSuffix("/\(id).png"))
                let picture = try await claimCheck.fetch(key)
                #expect(picture.starts(with: [0x89, 0x50, 0x4E, 0x47]))
                // A key that nobody has put there.
                var missing = try Sample.request()
                missing.references = [Reference(picture: .key("references/none.png"))]
                let refusal = try await client.submit(missing).result()
                #expect(refusal.status.code == .notFound)
            }
            await client.close()
        }
    }
}
