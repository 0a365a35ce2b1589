/// Why an ONNX file cannot be read or run, where in it, and what would help.
public struct ONNXError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What sort of trouble it is.
    public enum Kind: String, Sendable {
        /// The file cannot be opened.
        case unreadable
        /// The file, or what it asks for, is larger than the limits allow.
        case tooLarge = "too large"
        /// The file contradicts itself or the format.
        case malformed
        /// The file is sound, but uses what is not implemented.
        case unsupported
        /// The input handed to the network does not fit it.
        case input
        /// The computation failed, for lack of memory for instance.
        case computation
    }

    public let kind: Kind
    /// The file, node, initializer or value concerned.
    public let place: String
    /// What is wrong, and what to do about it where that is known.
    public let problem: String

    public init(_ kind: Kind, _ place: String, _ problem: String) {
        self.kind = kind
        self.place = place
        self.problem = problem
    }

    public var description: String { "ONNX \(kind.rawValue): \(place): \(problem)" }
}

/// How much an ONNX file may ask for.
public struct ONNXLimits: Sendable, Hashable {
    /// Largest file; protobuf itself ends at 2 GiB.
    public var maximumBytes: Int
    /// Most integers in all integer tensors together: these describe shapes, so real files need few.
    public var maximumIntegers: Int

    public init(maximumBytes: Int = 2 << 30, maximumIntegers: Int = 1 << 20) {
        self.maximumBytes = maximumBytes
        self.maximumIntegers = maximumIntegers
    }

    public static let standard = ONNXLimits()

    /// What the parser may allocate for a file of `bytes`: the numbers once, and room for the structure around them.
    func parserBytes(forFile bytes: Int) -> Int { 2 * bytes + (16 << 20) }
}
