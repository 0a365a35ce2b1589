import Checkpoints
import Tensors

extension ONNXCompiler {
    /// Operators of ONNX's own set that are implemented.
    static let operators: Set<String> = [
        "Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "Constant",
        "ConstantOfShape",
        "Conv", "Div", "Dropout", "Equal", "Exp", "Expand", "Flatten", "Floor", "Gather", "Gemm", "GlobalAveragePool",
        "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity", "LayerNormalization", "LeakyRelu", "MatMul", "MaxPool",
        "Mul", "Neg", "PRelu", "Pad", "Pow", "Reciprocal", "ReduceL2", "ReduceMean", "ReduceSum", "Relu", "Reshape",
        "Resize", "Shape", "Sigmoid", "Size", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Tanh",
        "Transpose",
        "Unsqueeze", "Upsample", "Where",
    ]

    static func supports(_ node: ONNXNode) -> Bool { node.domain.isEmpty && operators.contains(node.operation) }

    static func unsupported(_ node: ONNXNode) -> ONNXError {
        let operation = node.domain.isEmpty ? node.operation : "\(node.domain).\(node.operation)"
        return ONNXError(
            .unsupported, node.place,
            "operator \(operation) is not implemented; supported are \(operators.sorted().joined(separator: ", "))")
    }

    /// The results of a node.
    mutating func lower(_ node: ONNXNode) throws(ONNXError) -> [ONNXValue] {
        switch node.operation {
        case "Split": return try split(node)
        case "Conv": return [try convolution(node)]
        case "BatchNormalization": return [try batchNormalization(node)]
        case "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool": return [try pool(node)]
        case "Gemm": return [try gemm(node)]
        case "MatMul": return [try matrixProduct(node)]
        case "LayerNormalization": return [try layerNormalization(node)]
        case "Add", "Sub", "Mul", "Div": return [try binary(node)]
        case "Pow": return [try power(node)]
        case "Softmax": return [try softmax(node)]
        case "ReduceMean", "ReduceSum", "ReduceL2": return [try reduction(node)]
        case "Reshape": return [try reshape(node)]
        case "Flatten": return [try flatten(node)]
        case "Squeeze": return [try squeeze(node)]
        case "Unsqueeze": return [try unsqueeze(node)]
        case "Transpose": return [try transpose(node)]
        case "Concat": return [try concat(node)]
        case "Slice": return [try slice(node)]
        case "Gather": return [try gather(node)]
        case "Expand": return [try expand(node)]
        case "Pad": return [try pad(node)]
        case "Resize", "Upsample": return [try resize(node)]
        case "Shape", "Size", "Constant", "ConstantOfShape", "Cast", "Floor", "Ceil", "Equal", "Where":
            return [try known(node)]
        default: return [try pointwise(node)]
        }
    }
}
