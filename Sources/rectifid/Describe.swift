import ArgumentParser
import Foundation
import Messages
import RectifIDClient
import Synchronization

/// `rectifid describe`: who works in a pool, on what.
struct Describe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the workers of a pool: models, limits, state, running jobs.",
        discussion: """
            Every worker is asked over the broker, also those that compute. Nobody knows how many there are, so the answer
            ends when nobody has answered for --quiet. Exit code 69 where nobody answers.
            """)

    @OptionGroup var broker: BrokerOptions

    @Option(help: "Only the worker of this name.")
    var worker: String?

    @Flag(help: "A line of JSON per worker.")
    var json = false

    @Option(help: "Seconds to wait for the first answer.")
    var wait = 5.0

    @Option(help: "Seconds without an answer after which no more are expected.")
    var quiet = 0.5

    func validate() throws {
        for (name, value) in [("wait", wait), ("quiet", quiet)] where !(0.01...600).contains(value) {
            throw ValidationError("--\(name) \(value); 0.01 to 600 seconds are possible")
        }
    }

    func run() async throws {
        try await broker.withBroker("rectifid describe") { connection, pool in
            let client = try await PersonalizationClient.connect(to: connection, pool: pool, replies: .exclusive())
            let workers = try await replies(to: client)
            await client.close()
            guard !workers.isEmpty else {
                let who = worker.map { "the worker '\($0)'" } ?? "no worker of the pool '\(pool.name)'"
                throw CommandFailure(.unavailable, "\(who) answers\(worker == nil ? "" : " not")")
            }
            for (index, worker) in workers.enumerated() {
                if json {
                    JSONOutput.printLine(WorkerDocument(worker))
                } else {
                    if index > 0 { print() }
                    print(WorkerDocument(worker).text)
                }
            }
        }
    }

    /// All answers until nobody answers any more, by name.
    private func replies(to client: PersonalizationClient) async throws -> [DescribeReply] {
        let heard = Answers()
        let asked: Replies<DescribeReply>
        do throws(ClientError) {
            asked = try await client.describeWorkers(id: worker)
        } catch .broker(.unroutable) {
            return []
        }
        let reader = Task {
            for try await reply in asked {
                heard.note(reply)
                if worker != nil { return }
            }
        }
        let watch = Task {
            // A reply that comes while this sleeps moves the end away.
            while let left = heard.timeLeft(first: .seconds(wait), then: .seconds(quiet)) {
                try await Task.sleep(for: left)
            }
            reader.cancel()
        }
        let result = await reader.result
        watch.cancel()
        // Cancelled is what it is when the time is over.
        if case .failure(let error) = result, !reader.isCancelled, heard.all.isEmpty { throw error }
        return heard.all
    }

    private final class Answers: Sendable {
        private let contents = Mutex<(replies: [String: DescribeReply], last: ContinuousClock.Instant?)>(([:], nil))
        private let start = ContinuousClock.now

        func note(_ reply: DescribeReply) {
            contents.withLock { contents in
                contents.replies[reply.workerID] = reply
                contents.last = .now
            }
        }

        /// Nil when there is nothing more to wait for.
        func timeLeft(first: Duration, then quiet: Duration) -> Duration? {
            let end = contents.withLock { $0.last }.map { $0 + quiet } ?? start + first
            let left = ContinuousClock.now.duration(to: end)
            return left > .zero ? left : nil
        }

        var all: [DescribeReply] { contents.withLock { $0.replies.values.sorted { $0.workerID < $1.workerID } } }
    }
}
