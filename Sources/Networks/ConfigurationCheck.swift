/// A configuration file that asks for what no network here can be, found while it is decoded.
struct ConfigurationCheck {
    let path: [any CodingKey]

    /// Refuses what is not `condition`.
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws {
        guard condition else {
            throw DecodingError.dataCorrupted(.init(codingPath: path, debugDescription: problem()))
        }
    }

    /// Refuses a number outside of a range, before anything is divided by it or allocated for it.
    func require(_ name: String, _ value: Int, in range: ClosedRange<Int>) throws {
        try require(
            range.contains(value), "\(name) is \(value); \(range.lowerBound) to \(range.upperBound) is possible")
    }
}

extension Decoder {
    var check: ConfigurationCheck { ConfigurationCheck(path: codingPath) }
}
