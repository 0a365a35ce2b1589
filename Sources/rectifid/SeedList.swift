import ArgumentParser

/// `1,2,3`.
struct SeedList: ExpressibleByArgument, CustomStringConvertible {
    let numbers: [UInt64]

    init(_ numbers: [UInt64]) { self.numbers = numbers }

    init?(argument: String) {
        numbers = argument.split(separator: ",", omittingEmptySubsequences: false).compactMap { UInt64($0) }
        guard numbers.count == argument.split(separator: ",", omittingEmptySubsequences: false).count else {
            return nil
        }
    }

    var description: String { numbers.map(String.init).joined(separator: ",") }
}
