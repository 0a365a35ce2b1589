import Foundation
import ObjectStores
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FileSystemStoreTests {
    /// A folder with a store in it and something outside of it, removed afterwards.
    private func withFolder(_ body: (URL, FileSystemStore) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("store-\(UUID())")
        let root = folder.appendingPathComponent("root")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("outside".utf8).write(to: folder.appendingPathComponent("outside"))
        try await body(root, try FileSystemStore(root: root.path))
    }

    @Test func whatIsPutIsGot() async throws {
        try await withFolder { root, store in
            let key = try ObjectKey("results/2026-11-22/job.jpg")
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
            #expect(try await store.size(of: key) == nil)
            try await store.put(bytes, at: key, contentType: "image/jpeg")
            #expect(try await store.get(key, limit: bytes.count) == bytes)
            #expect(try await store.size(of: key) == bytes.count)
            try await store.put([], at: key, contentType: "image/jpeg")
            #expect(try await store.get(key, limit: 0) == [])
            let folder = root.appendingPathComponent("results/2026-11-22")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["job.jpg"])
            try await store.delete(key)
            try await store.delete(key)
            await #expect(throws: ObjectStoreError.notFound(key)) { try await store.get(key, limit: 10) }
            try await store.check()
        }
    }

    @Test func largeObjectsAreRefusedUnread() async throws {
        try await withFolder { root, store in
            // 8 TB that take no room: reading them would never end.
            let file = root.appendingPathComponent("huge")
            try Data().write(to: file)
            #expect(truncate(file.path, 8 << 40) == 0)
            let key = try ObjectKey("huge")
            await #expect(throws: ObjectStoreError.tooLarge(key, bytes: 8 << 40, limit: 100)) {
                try await store.get(key, limit: 100)
            }
        }
    }

    @Test func linksAreNotFollowed() async throws {
        try await withFolder { root, store in
            let manager = FileManager.default
            try manager.createSymbolicLink(
                atPath: root.appendingPathComponent("file").path, withDestinationPath: "../outside")
            try manager.createSymbolicLink(
                atPath: root.appendingPathComponent("folder").path, withDestinationPath: root.path + "/..")
            for text in ["file", "folder/outside", "folder/new"] {
                let key = try ObjectKey(text)
                await #expect(throws: ObjectStoreError.notFound(key)) { try await store.get(key, limit: 100) }
                #expect(try await store.size(of: key) == nil)
            }
            await #expect(throws: ObjectStoreError.self) {
                try await store.put([1], at: try ObjectKey("folder/new"), contentType: "image/png")
            }
            try await store.delete(try ObjectKey("folder/outside"))
            // A link in the object's own place is replaced, not written through.
            try await store.put([1], at: try ObjectKey("file"), contentType: "image/png")
            #expect(try await store.get(try ObjectKey("file"), limit: 10) == [1])
            let outside = root.deletingLastPathComponent().appendingPathComponent("outside")
            #expect(try String(contentsOf: outside, encoding: .utf8) == "outside")
        }
    }

    @Test func onlyFilesAreObjects() async throws {
        try await withFolder { root, store in
            #expect(mkfifo(root.appendingPathComponent("pipe").path, 0o600) == 0)
            try await store.put([1], at: try ObjectKey("a/b"), contentType: "image/png")
            for text in ["pipe", "a"] {
                let key = try ObjectKey(text)
                await #expect(throws: ObjectStoreError.notFound(key)) { try await store.get(key, limit: 100) }
                #expect(try await store.size(of: key) == nil)
            }
            let allowed = "a key without a link in it, and not both an object and a folder"
            await #expect(throws: ObjectStoreError.invalidKey("a", allowed: allowed)) {
                try await store.put([1], at: try ObjectKey("a"), contentType: "image/png")
            }
            await #expect(throws: ObjectStoreError.invalidKey("a/b/c", allowed: allowed)) {
                try await store.put([1], at: try ObjectKey("a/b/c"), contentType: "image/png")
            }
            let long = try ObjectKey(String(repeating: "k", count: 300))
            await #expect(throws: ObjectStoreError.self) {
                try await store.put([1], at: long, contentType: "image/png")
            }
            try await store.delete(try ObjectKey("a"))
            #expect(try await store.get(try ObjectKey("a/b"), limit: 1) == [1])
            #expect(try FileManager.default.contentsOfDirectory(atPath: root.path).sorted() == ["a", "pipe"])
        }
    }

    @Test func readersNeverSeeHalfAnObject() async throws {
        try await withFolder { _, store in
            let key = try ObjectKey("a/b")
            let versions = (0..<2).map { [UInt8](repeating: UInt8($0), count: 200_000 + $0) }
            try await store.put(versions[0], at: key, contentType: "image/png")
            try await withThrowingTaskGroup { group in
                for turn in 0..<20 {
                    group.addTask { try await store.put(versions[turn % 2], at: key, contentType: "image/png") }
                    group.addTask {
                        let seen = try await store.get(key, limit: 1 << 20)
                        #expect(versions.contains(seen))
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func othersMayNotReadWhatIsWritten() async throws {
        try await withFolder { root, store in
            try await store.put([1], at: try ObjectKey("a/b"), contentType: "image/png")
            for (path, others) in [("a", 0o007), ("a/b", 0o137)] {
                let attributes = try FileManager.default.attributesOfItem(
                    atPath: root.appendingPathComponent(path).path)
                let bits = try #require(attributes[.posixPermissions] as? Int)
                #expect(bits & others == 0, "\(path) \(String(bits, radix: 8))")
            }
        }
    }

    /// Not even root may make files there.
    @Test func whereNothingMayBeWrittenIsDenied() async throws {
        let store = try FileSystemStore(root: "/sys")
        do {
            try await store.put([1], at: try ObjectKey("rectifid"), contentType: "image/png")
            Issue.record("written")
        } catch ObjectStoreError.accessDenied {}
    }

    @Test func aRootThatIsNotThereIsSaidSo() {
        let error = #expect(throws: ObjectStoreError.self) { _ = try FileSystemStore(root: "/nowhere/at/all") }
        #expect(error.map { "\($0)" }?.contains("/nowhere/at/all") == true)
    }
}
