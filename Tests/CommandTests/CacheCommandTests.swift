import Foundation
import Testing

/// Prepared weights as an operator meets them.
struct CacheCommandTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func check(_ cache: String) async throws -> Program.Run {
        try await Program.run(["models", "check", "--precision", "float32"], environment: ["RECTIFID_CACHE": cache])
    }

    /// The same in a shell that has done something first.
    private func check(_ cache: String, after command: String) async throws -> Program.Run {
        try await Program.run(
            [
                "-c", "\(command) && exec \"$0\" models check --precision float32 --cache \"$1\"", Program.url.path,
                cache,
            ], program: "/bin/sh")
    }

    @Test func theSecondProcessFindsWhatTheFirstWrote() async throws {
        let cache = folder.path("cache")
        let first = try await check(cache), second = try await check(cache)
        #expect(first.code == 0 && first.output.contains("cache       written"), "\(first.output)\(first.errors)")
        #expect(second.code == 0 && second.output.contains("cache       found"), "\(second.output)\(second.errors)")
        #expect(first.errors.isEmpty && second.errors.isEmpty)
    }

    @Test func processesThatStartAtOnceLeaveOneFile() async throws {
        let cache = folder.path("cache")
        try await withThrowingTaskGroup { group in
            for _ in 0..<4 { group.addTask { try await check(cache) } }
            for try await run in group { #expect(run.code == 0 && run.errors.isEmpty, "\(run.errors)") }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache).count == 1)
        #expect(try await check(cache).output.contains("cache       found"))
    }

    @Test func aProcessThatMayNotWriteSoMuchStartsAllTheSame() async throws {
        let cache = folder.path("cache")
        let run = try await check(cache, after: "ulimit -f 100")
        #expect(run.code == 0 && run.output.contains("cache       none"), "\(run.code) \(run.output)")
        #expect(run.errors.contains("not shared") && run.errors.contains("bytes are needed"), "\(run.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache).isEmpty)
    }

    /// Whether this user may mount a file system of its own.
    private static let mayMount: Bool = {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "unshare --mount mount -t tmpfs -o size=1m tmpfs /mnt"]
        process.standardError = FileHandle.nullDevice
        return (try? process.run()).map { process.waitUntilExit() } != nil && process.terminationStatus == 0
    }()

    @Test(
        .enabled(if: CacheCommandTests.mayMount, "needs the right to mount"),
        arguments: [("size=1m", "No space left"), ("ro", "Read-only")])
    func aFullOrReadOnlyDiskDoesNotStopIt(options: String, complaint: String) async throws {
        let cache = folder.path("cache")
        try FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: true)
        let script = """
            mount -t tmpfs -o \(options) tmpfs "$1" && "$0" models check --precision float32 --cache "$1" && ls -A "$1"
            """
        let run = try await Program.run(
            ["--mount", "/bin/sh", "-c", script, Program.url.path, cache], program: "/usr/bin/unshare")
        #expect(run.code == 0 && run.errors.contains(complaint), "\(run.code) \(run.output) \(run.errors)")
        // Nothing is left in the folder, whose names would follow.
        #expect(run.output.hasSuffix("cache       none\n"), "\(run.output)")
    }
}
