import ArgumentParser
import Telemetry

/// `rectifid probe`: asks the status port of a worker, for containers without curl.
struct Probe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks a worker on this machine how it is, for containers without curl.",
        discussion: """
            Reads the same variables as the worker, so that a container's health check is `rectifid probe`. Exit code 0
            where the worker says yes, 69 where it says no or nothing.
            """)

    enum Question: String, ExpressibleByArgument, CaseIterable {
        case health
        case ready
        case metrics

        fileprivate var path: String {
            switch self {
            case .health: "/healthz"
            case .ready: "/readyz"
            case .metrics: "/metrics"
            }
        }
    }

    @Argument(help: "health, ready or metrics.")
    var question = Question.health

    @Option(help: "The worker's port. [RECTIFID_HTTP_PORT]")
    var httpPort: UInt16?

    @Option(help: "The worker's address; 127.0.0.1 by default, also for a worker on all. [RECTIFID_HTTP_HOST]")
    var httpHost: String?

    @Option(help: "Seconds to wait.")
    var wait = 3

    mutating func validate() throws {
        httpPort = try EnvironmentValue.value(httpPort, "http-port")
        httpHost = try EnvironmentValue.value(httpHost, "http-host")
        guard httpPort != nil else { throw ValidationError("--http-port: which port does the worker listen on?") }
        guard (1...600).contains(wait) else { throw ValidationError("--wait \(wait); 1 to 600 seconds are possible") }
    }

    func run() async throws {
        try await CommandFailure.reporting {
            let host =
                switch httpHost {
                case nil, "0.0.0.0"?: "127.0.0.1"
                case "::"?: "::1"
                case let host?: host
                }
            do throws(HTTPServerError) {
                let answer = try HTTPProbe.get(
                    question.path, host: host, port: httpPort ?? 0, within: .seconds(wait))
                guard answer.status == 200 else { throw HTTPServerError(host: host, port: httpPort ?? 0, answer) }
                print(answer.body, terminator: "")
            } catch {
                throw CommandFailure(.unavailable, "\(error)")
            }
        }
    }
}

extension HTTPServerError {
    /// The worker says no.
    fileprivate init(host: String, port: UInt16, _ answer: (status: Int, body: String)) {
        self.init(
            host: host, port: port, problem: "\(answer.status) \(answer.body.prefix { $0 != "\n" })")
    }
}
