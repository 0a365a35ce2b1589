import ArgumentParser

/// A number of bytes as people write it: `6GiB` or `6G` (2^30), `6GB` (10^9), `6000000000`.
struct MemorySize: ExpressibleByArgument, Equatable {
    let bytes: Int

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        let unit = argument.dropFirst(digits.count).lowercased()
        let units = [
            "": 1, "b": 1, "kb": 1000, "mb": 1_000_000, "gb": 1_000_000_000, "k": 1 << 10, "kib": 1 << 10,
            "m": 1 << 20, "mib": 1 << 20, "g": 1 << 30, "gib": 1 << 30,
        ]
        guard let number = Int(digits), number > 0, let size = units[unit],
            case let (product, overflow) = number.multipliedReportingOverflow(by: size), !overflow
        else { return nil }
        bytes = product
    }
}
