import ArgumentParser
import Broker
import Messages
import RectifIDClient

/// `rectifid cancel`: stops a job, running or still queued.
struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stops a job, running or still queued.",
        discussion: """
            Every worker is asked. The one that runs the job stops it at its next iteration; the others, and those that
            start within a day, will refuse it if it comes along.
            """)

    @Argument(help: "The job's id.")
    var jobID: String

    @OptionGroup var broker: BrokerOptions

    @Option(help: "Why, for logs and for the job's client.")
    var reason = ""

    @Option(help: "Seconds to wait for the workers' answers.")
    var wait = 3

    func validate() throws {
        guard Wire.isJobID(jobID) else {
            throw ValidationError("job id '\(jobID)'; 1 to 128 visible ASCII characters are possible")
        }
        guard (1...600).contains(wait) else { throw ValidationError("--wait \(wait); 1 to 600 seconds are possible") }
    }

    func run() async throws {
        try await broker.withBroker("rectifid cancel") { connection, pool in
            let client = try await PersonalizationClient.connect(
                to: connection, pool: pool, replies: .exclusive())
            var isAnswered = false
            for try await reply in try await client.cancel(jobID: jobID, reason: reason, within: .seconds(wait)) {
                isAnswered = true
                print(Self.sentence(reply))
                // Only one worker can have the job; the others' notes change nothing.
                if reply.outcome != .noted { break }
            }
            if !isAnswered { print("noted: no worker has answered; whoever takes the job will refuse it") }
            await client.close()
        }
    }

    private static func sentence(_ reply: CancelReply) -> String {
        switch reply.outcome {
        case .stopping: "\(reply.workerID): stopping after iteration \(reply.iteration)"
        case .finished: "\(reply.workerID): finished already, its result stands"
        case .noted: "\(reply.workerID): will refuse it"
        }
    }
}
