public import Checkpoints
public import Tensors

/// Why a picture cannot be compared, and what would help.
public enum DiscriminatorError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A reference picture shows no face.
    case noFaceInReference(index: Int, threshold: Float)
    /// A picture shows fewer faces than there are people, however low the threshold.
    case tooFewFaces(found: Int, needed: Int)
    /// Landmarks from which no alignment follows, such as five times the same point.
    case degenerateLandmarks
    /// The number of references is zero or too large.
    case references(count: Int, allowed: ClosedRange<Int>)
    /// A picture is not `[1, H, W, 3]`.
    case picture(Shape)
    /// A network is not of the kind that is needed.
    case unsuitable(network: String, problem: String)
    /// A network cannot be read or run.
    case network(ONNXError)
    /// The computation failed, for lack of memory for instance.
    case computation(TensorError)

    public var description: String {
        switch self {
        case .noFaceInReference(let index, let threshold):
            "reference \(index + 1): no face found (scores below \(threshold)); use a picture with a larger, frontal, "
                + "unobstructed face, or another kind of subject"
        case .tooFewFaces(let found, let needed): "\(found) faces found where \(needed) are needed"
        case .degenerateLandmarks: "the face's landmarks coincide or are not finite; it cannot be aligned"
        case .references(let count, let allowed):
            "\(count) references; from \(allowed.lowerBound) to \(allowed.upperBound) are supported"
        case .picture(let shape): "a picture of shape \(shape); [1, H, W, 3] is needed"
        case .unsuitable(let network, let problem): "the \(network) network does not fit: \(problem)"
        case .network(let error): "\(error)"
        case .computation(let error): "\(error)"
        }
    }
}

/// Runs engine operations, giving their errors the module's type.
func computing<Result>(_ body: () throws(TensorError) -> Result) throws(DiscriminatorError) -> Result {
    do { return try body() } catch { throw .computation(error) }
}

/// Runs a network, giving its errors the module's type.
func running<Result>(_ body: () throws(ONNXError) -> Result) throws(DiscriminatorError) -> Result {
    do { return try body() } catch { throw .network(error) }
}
