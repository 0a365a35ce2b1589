import ArgumentParser

@main
struct Rectifid: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rectifid", subcommands: [])
}
