/// The path of a field, and the checks that name it when they fail.
struct FieldPath {
    let path: String

    init(_ path: String) {
        self.path = path
    }

    subscript(index: Int) -> FieldPath {
        FieldPath("\(path)[\(index)]")
    }

    func child(_ name: String) -> FieldPath {
        path.isEmpty ? FieldPath(name) : FieldPath("\(path).\(name)")
    }

    func invalid(_ problem: String, allowed: String) -> MessageError {
        MessageError(kind: .invalidField, field: path, problem: problem, allowed: allowed)
    }

    func require(
        _ condition: Bool, _ problem: @autoclosure () -> String, allowed: @autoclosure () -> String
    ) throws(MessageError) {
        if !condition { throw invalid(problem(), allowed: allowed()) }
    }

    func check(_ value: Int, in range: ClosedRange<Int>, unit: String = "") throws(MessageError) {
        try require(
            range.contains(value), "is \(value)\(unit)", allowed: "\(range.lowerBound) to \(range.upperBound)\(unit)")
    }

    func check(count: Int, in range: ClosedRange<Int>, of what: String) throws(MessageError) {
        let allowed =
            range.lowerBound == range.upperBound
            ? "exactly \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
        try require(range.contains(count), "has \(count) \(what)", allowed: allowed)
    }

    /// Not-a-number fails as well: no range contains it.
    func check<F: BinaryFloatingPoint>(_ value: F, in range: ClosedRange<F>) throws(MessageError) {
        try require(range.contains(value), "is \(value)", allowed: "\(range.lowerBound) to \(range.upperBound)")
    }

    func check(_ value: Float, aboveZeroTo maximum: Float) throws(MessageError) {
        try require(value > 0 && value <= maximum, "is \(value)", allowed: "greater than 0, at most \(maximum)")
    }

    func check(finite values: [Float]) throws(MessageError) {
        if let index = values.firstIndex(where: { !$0.isFinite }) {
            throw self[index].invalid("is \(values[index])", allowed: "a finite number")
        }
    }

    func check(_ text: String, bytes range: ClosedRange<Int>) throws(MessageError) {
        let count = text.utf8.count
        try require(count > 0 || range.lowerBound == 0, "is empty", allowed: "1 to \(range.upperBound) bytes of UTF-8")
        try require(
            range.contains(count), "has \(count) bytes",
            allowed: "\(range.lowerBound) to \(range.upperBound) bytes of UTF-8")
        try require(!text.utf8.contains(0), "contains a NUL character", allowed: "UTF-8 without NUL characters")
    }

    func check(jobID text: String) throws(MessageError) {
        try require(
            Wire.isJobID(text), text.isEmpty ? "is empty" : "is not a job id",
            allowed: "1 to 128 visible ASCII characters")
    }

    /// A fingerprint, or nothing.
    func check(hash text: String) throws(MessageError) {
        let isHash = text.utf8.count == 64 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
        try require(
            text.isEmpty || isHash, "is not a fingerprint", allowed: "64 lower-case hexadecimal digits, or empty")
    }
}
