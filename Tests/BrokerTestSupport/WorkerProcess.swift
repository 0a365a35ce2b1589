import Foundation
import Synchronization

/// A worker in a process of its own, which a test may kill.
public final class WorkerProcess: Sendable {
    public enum End: Sendable, Equatable {
        case exit(Int32)
        case signal(Int32)
    }

    /// ``TinyWorker``, which is built beside the tests.
    public static let tiny = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("TinyWorker").path

    public let pid: Int32
    private let ended: Task<End, Never>
    private let isOver = Mutex(false)
    private let hasEnded: EndFlag

    /// Starts a program; its standard error goes to `log`, or nowhere.
    public init(
        _ program: String = WorkerProcess.tiny, arguments: [String], environment: [String: String] = [:],
        log: String? = nil
    ) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        if let log {
            // Of several workers: each line goes to the end.
            let descriptor = open(log, O_WRONLY | O_APPEND | O_CREAT, 0o644)
            process.standardError = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        }
        let (heard, told) = AsyncStream.makeStream(of: End.self)
        let hasEnded = EndFlag()
        self.hasEnded = hasEnded
        process.terminationHandler = { process in
            told.yield(
                process.terminationReason == .uncaughtSignal
                    ? .signal(process.terminationStatus) : .exit(process.terminationStatus))
            told.finish()
        }
        try process.run()
        let pid = process.processIdentifier
        self.pid = pid
        // Foundation hears of an end by a socket that children started at the same moment may hold open for ever: so
        // it is asked for here, and Foundation's word is taken only where it came first.
        let (seen, saw) = AsyncStream.makeStream(of: End.self)
        Thread.detachNewThread {
            var status: Int32 = 0
            if waitpid(pid, &status, 0) == pid {
                saw.yield(status & 0x7F == 0 ? .exit(status >> 8 & 0xFF) : .signal(status & 0x7F))
            }
            hasEnded.set()
            saw.finish()
        }
        ended = Task {
            for await end in seen { return end }
            for await end in heard { return end }
            return .exit(-1)
        }
    }

    /// How it ended; waits for that.
    public func end() async -> End {
        let end = await ended.value
        isOver.withLock { $0 = true }
        return end
    }

    /// Whether it still runs, as far as was heard.
    public var isRunning: Bool { !hasEnded.isSet }

    /// Ends it without a chance to do anything.
    public func kill() { signal(SIGKILL) }

    /// Asks it to end.
    public func terminate() { signal(SIGTERM) }

    /// Tells it that its files were moved away.
    public func hangUp() { signal(SIGHUP) }

    private func signal(_ number: Int32) {
        // A process id may belong to somebody else once its end was read.
        isOver.withLock { if !$0 { _ = Foundation.kill(pid, number) } }
    }

    /// Kilobytes of memory that it holds and shares with nobody (`Private_*` of `smaps_rollup`); nil once it has ended.
    public var privateKilobytes: Int? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/smaps_rollup", encoding: .utf8) else { return nil }
        return text.split(separator: "\n").filter { $0.hasPrefix("Private_") }
            .compactMap { $0.split(separator: " ").dropFirst().first.flatMap { Int($0) } }.reduce(0, +)
    }
}

/// Set once.
private final class EndFlag: Sendable {
    private let value = Mutex(false)
    var isSet: Bool { value.withLock { $0 } }
    func set() { value.withLock { $0 = true } }
}
