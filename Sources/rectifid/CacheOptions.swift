import ArgumentParser
import Generation

/// Prepared weights on disk.
struct CacheOptions: ParsableArguments {
    @Option(
        name: .customLong("cache"),
        help: """
            A folder for prepared weights, about as large as those in memory: the processes of a machine that name the same \
            share one copy of them, and start sooner. None by default. [RECTIFID_CACHE]
            """)
    var folder: String?

    mutating func validate() throws { folder = try EnvironmentValue.value(folder, "cache") }
}

extension Model {
    /// What an operator should know about the file of prepared weights.
    var cacheProblems: [String] {
        guard let cache else { return [] }
        return cache.problems.map {
            cache.place == .memory ? "prepared weights are not shared: \($0)" : "prepared weights were made anew: \($0)"
        }
    }
}
