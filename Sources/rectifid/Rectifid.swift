import ArgumentParser

/// The command `rectifid`.
@main
struct Rectifid: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "rectifid",
        abstract: "Makes pictures of the person in a reference picture, as a prompt says, without training.",
        discussion: """
            RectifID (NeurIPS 2024): anchored classifier guidance of a rectified flow. `generate` works on this machine;
            `worker` and `submit` do the same through RabbitMQ.

            Exit codes: 0 success, 64 bad usage, 65 the request or a picture in it is refused, 66 a file is missing, 69 the
            broker or a worker is unavailable, 70 internal failure, 73 the output cannot be written, 75 failed for now and
            may be tried again.
            """,
        version: version,
        subcommands: [
            Generate.self, WorkerCommand.self, Submit.self, Cancel.self, Describe.self, Probe.self, DeadLetters.self,
            TopologyCommand.self,
            Models.self, Evaluate.self, BenchmarkCommand.self, Version.self,
        ])
}

/// `rectifid version`.
struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Prints the version.")

    func run() { print("rectifid \(Rectifid.version)") }
}
