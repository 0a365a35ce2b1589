public import Tensors
public import Testing

/// |a - b| / |b| in the L2 norm, in double; infinite where shapes differ or a number is not finite.
public func relativeError(_ a: Tensor, to b: Tensor) -> Double {
    guard a.shape == b.shape else { return .infinity }
    var difference = 0.0, size = 0.0
    for (x, y) in zip(a.elements, b.elements) {
        guard x.isFinite, y.isFinite else { return .infinity }
        difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
        size += Double(y) * Double(y)
    }
    return size == 0 ? (difference == 0 ? 0 : .infinity) : (difference / size).squareRoot()
}

/// Expects two tensors to have the same shape and to differ by no more than `tolerance`, relative L2.
///
/// - Parameters:
///   - actual: What was computed.
///   - expected: The reference.
///   - tolerance: Largest |actual - expected| / |expected|.
///   - name: What a failure calls the tensor.
public func expectClose(
    _ actual: Tensor, _ expected: Tensor, within tolerance: Double, _ name: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let error = relativeError(actual, to: expected)
    #expect(
        error <= tolerance,
        "\(name): shapes \(actual.shape) and \(expected.shape), relative error \(error), allowed \(tolerance)",
        sourceLocation: sourceLocation)
}
