import ArgumentParser
import Flow
import Generation

/// `rectifid models`: what a model folder is.
struct Models: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Looks at model folders.", subcommands: [ModelsCheck.self])
}

/// `rectifid models check`: loads a model and says what it is.
struct ModelsCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Says what a model folder is and whether it will run.")

    @OptionGroup var model: ModelOptions

    func run() async throws {
        try await CommandFailure.reporting {
            let model = try model.load()
            let defaults = model.defaults
            print(
                """
                \(model.id): will run
                hash        \(model.hash)
                flow        \(defaults.flow.rawValue), \(defaults.steps) steps, cfg \(defaults.cfgScale)
                guidance    \(defaults.iterations) iterations, rate \(defaults.rate), gain \(defaults.gain)
                picture     \(defaults.width) x \(defaults.height) by default, sides in multiples of \(model.factor)
                subjects    \(model.subjects.map(\.rawValue).joined(separator: ", "))
                """)
            if let cache = model.cache {
                let place = cache.place == .memory ? "none" : "\(cache.place.rawValue), \(cache.file)"
                print("cache       \(place)")
            }
        }
    }
}
