import Checkpoints
import Tensors

/// The weights of an ONNX network: as the file has them, and as the device wants them.
struct ONNXWeights: Sendable {
    struct Convolution: Sendable {
        let filter: any Filter
        let bias: Tensor?
    }

    struct Product: Sendable {
        let matrix: any Matrix
        let bias: Tensor?
    }

    private(set) var values: [String: ONNXTensor]
    /// Extents of weights that only prepared filters hold.
    private(set) var released: [String: [Int]] = [:]
    /// By what identifies them: the node, and the order of columns where that depends on the picture's size.
    var convolutions: [String: Convolution] = [:]
    var products: [String: Product] = [:]

    init(_ values: [String: ONNXTensor]) { self.values = values }

    /// Forgets a weight that nothing but a prepared filter needs any more.
    mutating func release(_ name: String) {
        if let value = values.removeValue(forKey: name) { released[name] = value.extents }
    }
}
