import ArgumentParser

/// A number of bytes as people write it: `6GiB`, `512M`, `6000000000`.
struct MemorySize: ExpressibleByArgument, Equatable {
    let bytes: Int

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        let unit = argument.dropFirst(digits.count).lowercased()
        let shifts = ["": 0, "b": 0, "k": 10, "kib": 10, "m": 20, "mib": 20, "g": 30, "gib": 30, "t": 40, "tib": 40]
        guard let number = Int(digits), number > 0, let shift = shifts[unit],
            case let (product, overflow) = number.multipliedReportingOverflow(by: 1 << shift), !overflow
        else { return nil }
        bytes = product
    }
}
