import Broker
import BrokerTestSupport
import Foundation
import Jobs
import Messages
import RectifIDClient
import Synchronization
import Testing
import TinyModel

/// A node, a network and worker processes, all of which may fail.
final class SoakStage: Sendable {
    let node: PrivateNode
    let proxy: FaultProxy
    /// Not through the proxy.
    let direct: RabbitMQBroker
    let pool: Pool
    let replies: String
    let journal: String
    private let passMilliseconds: Int
    private let workers = Mutex<[WorkerProcess]>([])
    private let noted = Mutex<[SoakJournal.Fault]>([])
    private let happened = Mutex(Happened())

    private struct Happened {
        var killed = 0
        var drained = 0
        var cut = 0
        var restarted = 0
        var gaveUp = 0
    }

    private init(node: PrivateNode, passMilliseconds: Int) async throws {
        self.node = node
        self.passMilliseconds = passMilliseconds
        proxy = try FaultProxy(to: try node.port)
        direct = try await RealBroker.connect(node.url)
        pool = try RealBroker.pool()
        try await direct.declare(pool.topology)
        replies = try await direct.declareReplyQueue(.lasting(unusedFor: .seconds(3600)))
        journal = node.directory + "/journal"
        _ = FileManager.default.createFile(atPath: journal, contents: nil)
    }

    static func play(
        workers: Int, passMilliseconds: Int, _ body: (SoakStage) async throws -> Void
    ) async throws {
        try await PrivateNode.with { node in
            let stage = try await SoakStage(node: node, passMilliseconds: passMilliseconds)
            try await attempt {
                for _ in 1...workers { try stage.startWorker() }
                try await body(stage)
            } cleanup: {
                for worker in stage.workers.withLock({ $0 }) {
                    worker.kill()
                    _ = await worker.end()
                }
                await stage.direct.close()
                stage.proxy.stop()
            }
        }
    }

    // MARK: Jobs

    static func jobID(_ index: Int) -> String { "soak-\(index)" }

    /// Publishes so many jobs, half of them in either lane.
    func publish(_ count: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<count {
                if index >= 50 { try await group.next() }
                group.addTask { [self] in
                    try await direct.publishTiny(
                        Self.jobID(index), replyTo: replies, pool: pool, lane: Lane.allCases[index % 2],
                        seed: UInt64(index))
                }
            }
            try await group.waitForAll()
        }
    }

    // MARK: Workers

    private func startWorker() throws {
        let worker = try WorkerProcess(
            arguments: ["amqp://guest:guest@127.0.0.1:\(proxy.port)/", pool.name],
            environment: ["TINY_JOURNAL": journal, "TINY_PASS_MS": "\(passMilliseconds)"],
            log: node.directory + "/workers.log")
        workers.withLock { $0.append(worker) }
    }

    /// Asks all to end; each must do so in peace.
    func stopWorkers() async throws {
        let running = workers.withLock { workers in
            defer { workers = [] }
            return workers
        }.filter(\.isRunning)
        // One that has just been started listens to no signal yet, and to the broker only after that.
        try await eventually {
            try await direct.depth(of: pool.workQueue(.batch)).consumers == running.count
        }
        for worker in running { worker.terminate() }
        for worker in running { #expect(await worker.end() == .exit(0)) }
    }

    /// Memory of each worker, in kilobytes.
    var workerKilobytes: [Int] { workers.withLock { $0.map { $0.privateKilobytes ?? 0 } } }

    // MARK: Faults

    var faults: [SoakJournal.Fault] { noted.withLock { $0 } }

    /// Workers that ended by themselves.
    var gaveUp: Int { happened.withLock { $0.gaveUp } }

    var summary: String {
        let happened = happened.withLock { $0 }
        return
            "\(happened.killed) workers killed, \(happened.drained) stopped, \(happened.gaveUp) gave up, \(happened.restarted) restarts of the "
            + "broker, \(happened.cut) connections cut"
    }

    /// Kills or stops a worker, or cuts the network, every second or two until the task is cancelled.
    func makeMischief() async {
        for round in 1... {
            guard (try? await Task.sleep(for: .milliseconds(Int.random(in: 800...2000)))) != nil else { return }
            superviseWorkers()
            if round % 4 == 0 {
                cutNetwork()
            } else {
                await replaceWorker(killing: round % 4 != 2)
            }
        }
    }

    /// Starts those again that have ended by themselves, as a supervisor does, so that a failure shows as one worker that
    /// gave up and not as jobs that nobody takes.
    private func superviseWorkers() {
        let ended = workers.withLock { workers in
            defer { workers.removeAll { !$0.isRunning } }
            return workers.count { !$0.isRunning }
        }
        for _ in 0..<ended {
            happened.withLock { $0.gaveUp += 1 }
            do { try startWorker() } catch { Issue.record(error) }
        }
    }

    private func cutNetwork() {
        let start = SoakJournal.now
        happened.withLock { $0.cut += proxy.counts.open }
        proxy.cut()
        note(SoakJournal.Fault(start: start, end: SoakJournal.now + 500))
    }

    private func replaceWorker(killing isKilled: Bool) async {
        guard let worker = workers.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return }
        let start = SoakJournal.now
        if isKilled { worker.kill() } else { worker.terminate() }
        let end = await worker.end()
        note(SoakJournal.Fault(start: start, end: SoakJournal.now, pid: worker.pid))
        happened.withLock { if isKilled { $0.killed += 1 } else { $0.drained += 1 } }
        // A worker that has just been started has no handler for the signal yet and just ends.
        if !isKilled { #expect(end == .exit(0) || end == .signal(SIGTERM)) }
        do { try startWorker() } catch { Issue.record(error) }
    }

    func restartBroker() async {
        let start = SoakJournal.now
        do { try await node.restart() } catch { Issue.record(error) }
        happened.withLock { $0.restarted += 1 }
        note(SoakJournal.Fault(start: start, end: SoakJournal.now))
    }

    private func note(_ fault: SoakJournal.Fault) { noted.withLock { $0.append(fault) } }
}
