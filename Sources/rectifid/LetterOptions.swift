import ArgumentParser
import Broker
import Foundation
import Jobs
import Logging
import RectifIDClient

/// The broker, and who asks it for dead letters.
struct LetterOptions: ParsableArguments {
    @OptionGroup var broker: BrokerOptions

    @Option(
        name: .customLong("operator"),
        help: ArgumentHelp("Who you are, for the audit; USER@HOST by default. [RECTIFID_OPERATOR]", valueName: "name"))
    var operatorName: String?

    @Option(help: "Seconds to wait while another operator has the letters; 120 by default. [RECTIFID_WAIT]")
    var wait: Int?

    mutating func validate() throws {
        operatorName = try EnvironmentValue.value(operatorName, "operator")
        wait = try EnvironmentValue.value(wait, "wait")
        if let wait, !(0...86_400).contains(wait) {
            throw ValidationError("--wait \(wait); 0 to 86400 seconds are possible")
        }
        if let name = operatorName, !(1...200).contains(name.utf8.count) {
            throw ValidationError("--operator has \(name.utf8.count) bytes; 1 to 200 are possible")
        }
    }

    /// What RabbitMQ 3 carries at most: a letter may be here for being larger than a worker takes.
    private static let maximumBodySize = 128 << 20

    /// Runs a command's body with the letters, and closes the connection.
    func withLetters(
        _ compartment: DeadLetterQueue.Compartment = .letters, _ body: (DeadLetterQueue) async throws -> Void
    ) async throws {
        try await CommandFailure.reporting {
            let name = operatorName ?? Self.userAndHost
            // From notice on, so that what is done to letters is logged.
            let logger = broker.logger("rectifid dead-letters", standardLevel: .notice)
            let connection = try await broker.connect(
                name: "rectifid dead-letters \(name)", logger: logger, maximumBodySize: Self.maximumBodySize)
            do {
                var queue = DeadLetterQueue(
                    broker: connection, pool: try broker.namedPool(), compartment: compartment, operatorName: name,
                    logger: logger)
                if let wait { queue.patience = .seconds(wait) }
                try await body(queue)
                await connection.close()
            } catch {
                await connection.close()
                let failure = (error as? BrokerError).map { CommandFailure(letters: $0) } ?? error as? CommandFailure
                // A reason may quote what stands in a letter.
                throw failure.map { CommandFailure($0.code, $0.message.escapedForTerminal) } ?? error
            }
        }
    }

    private static var userAndHost: String {
        let user = ProcessInfo.processInfo.environment["USER"] ?? "\(getuid())"
        return "\(user)@\(ProcessInfo.processInfo.hostName)"
    }
}

extension CommandFailure {
    fileprivate init(letters error: BrokerError) {
        switch error {
        case .resourceLocked:
            self.init(.temporary, "another operator has the letters; try again, or wait longer with --wait")
        case .notFound:
            self.init(.unavailable, "\(error); 'rectifid topology --declare' makes what is missing")
        case .refused:
            self.init(.temporary, "\(error): the queue is full; what is not sent stays a dead letter")
        default: self.init(error.isTransient ? .temporary : .unavailable, "\(error)")
        }
    }
}

/// Conditions that choose letters.
struct FilterOptions: ParsableArguments {
    @Option(help: "Letters of this code, such as INTERNAL.")
    var code: String?

    @Option(help: "Letters of this group, an id that 'list' shows.")
    var group: String?

    @Option(help: "Letters that ask for this model; 'default' for those that leave it to the worker.")
    var model: String?

    @Option(help: "Letters that failed last at or after this: 2026-11-22T10:00:00Z, 2026-11-22, or 2h, 30min, 7d ago.")
    var since: TimePoint?

    @Option(help: "Letters that failed last at or before this, as --since.")
    var until: TimePoint?

    @Option(help: "Letters with this in the client's, the application's, the user's or the reply queue's name.")
    var client: String?

    @Option(help: "Letters with this in the reason, the prompts, the model's or the job's id.")
    var text: String?

    @Option(help: ArgumentHelp("The letters of a job, or the letter of this id; may be repeated.", valueName: "id"))
    var job: [String] = []

    var isEmpty: Bool {
        [code, group, model, client, text].allSatisfy { $0 == nil } && since == nil && until == nil && job.isEmpty
    }

    /// - Parameter ids: More ids of jobs or letters.
    func filter(_ ids: [String] = []) -> DeadLetterFilter {
        var filter = DeadLetterFilter()
        (filter.code, filter.group, filter.model) = (code, group?.lowercased(), model)
        (filter.since, filter.until) = (since?.milliseconds, until?.milliseconds)
        (filter.client, filter.text) = (client, text)
        let ids = ids + job
        if !ids.isEmpty { filter.jobs = Set(ids) }
        return filter
    }
}

/// A point in time, or how long ago.
struct TimePoint: ExpressibleByArgument {
    let milliseconds: UnixMilliseconds

    init?(argument: String) {
        let now = Date().timeIntervalSince1970
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        let units: [Substring: Double] = ["s": 1, "min": 60, "h": 3600, "d": 86_400]
        if let number = Double(digits), let unit = units[argument.dropFirst(digits.count)], number < 1e7 {
            milliseconds = UnixMilliseconds((now - number * unit) * 1000)
            return
        }
        let styles: [Date.ISO8601FormatStyle] = [
            .iso8601, .iso8601.year().month().day(), Date.ISO8601FormatStyle(includingFractionalSeconds: true),
        ]
        guard let date = styles.lazy.compactMap({ try? Date(argument, strategy: $0) }).first,
            abs(date.timeIntervalSince1970) < 1e12
        else { return nil }
        milliseconds = UnixMilliseconds(date.timeIntervalSince1970 * 1000)
    }
}
