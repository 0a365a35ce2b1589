public import Tensors

/// What an ONNX file says: which operators are applied to which values, and the constants among them.
///
/// A plain value that has been checked for form (types, sizes, text), not for sense: whether operators exist and shapes
/// go together is found out by whoever runs it.
public struct ONNXGraph: Sendable {
    /// In topological order, as the format demands.
    public var nodes: [ONNXNode]
    /// Weights and other constants by name.
    public var initializers: [String: ONNXTensor]
    /// What the caller provides; initializers that old files list among the inputs are left out.
    public var inputs: [ONNXInput]
    /// Names of the results, in the file's order.
    public var outputs: [String]
    /// Version of ONNX's own operator set.
    public var opset: Int
    /// The program that wrote the file, empty if it does not say.
    public var producer: String

    public init(
        nodes: [ONNXNode], initializers: [String: ONNXTensor], inputs: [ONNXInput], outputs: [String], opset: Int,
        producer: String = ""
    ) {
        self.nodes = nodes
        self.initializers = initializers
        self.inputs = inputs
        self.outputs = outputs
        self.opset = opset
        self.producer = producer
    }
}

/// A value that the caller provides.
public struct ONNXInput: Sendable, Hashable {
    public let name: String
    /// Extents, outermost first; nil where the input decides, and as a whole where the file does not say.
    public let extents: [Int?]?

    public init(name: String, extents: [Int?]?) {
        self.name = name
        self.extents = extents
    }
}

/// A tensor kept in the file: numbers for computing, or integers that describe shapes, axes and indices.
public struct ONNXTensor: Sendable {
    public enum Elements: Sendable {
        /// Any floating-point type of the file, as float32.
        case numbers(Tensor)
        /// Any integer type or truth values, row major.
        case integers([Int])
    }

    /// Outermost first; empty for a single number.
    public let extents: [Int]
    public let elements: Elements

    public init(extents: [Int], elements: Elements) {
        self.extents = extents
        self.elements = elements
    }
}

/// A parameter of a node that is written in the file.
public enum ONNXAttribute: Sendable {
    case integer(Int)
    case number(Float)
    case text(String)
    case tensor(ONNXTensor)
    case integers([Int])
    case numbers([Float])
    case texts([String])
    /// A type that is not read, by its number in the format; 5 is a nested graph.
    case other(type: Int)
}

/// An operator applied to named values.
public struct ONNXNode: Sendable {
    /// `Conv`, `Gemm`, ...
    public let operation: String
    /// The operator set's domain; empty for ONNX's own.
    public let domain: String
    public let name: String
    /// Names of values; an empty name is an optional input that is not given.
    public let inputs: [String]
    public let outputs: [String]
    public let attributes: [String: ONNXAttribute]

    public init(
        operation: String, domain: String = "", name: String = "", inputs: [String], outputs: [String],
        attributes: [String: ONNXAttribute] = [:]
    ) {
        self.operation = operation
        self.domain = domain
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.attributes = attributes
    }

    /// The node as messages name it.
    public var place: String {
        "node \(name.isEmpty ? "that makes \(outputs.first ?? "nothing")" : name) (\(operation))"
    }

    /// - Throws: ``ONNXError`` where the attribute has another type.
    public func integer(_ attribute: String) throws(ONNXError) -> Int? {
        switch attributes[attribute] {
        case nil: return nil
        case .integer(let value): return value
        case .some: throw wrongType(attribute, "an integer")
        }
    }

    /// - Throws: ``ONNXError`` where the attribute has another type.
    public func number(_ attribute: String) throws(ONNXError) -> Float? {
        switch attributes[attribute] {
        case nil: return nil
        case .number(let value): return value
        case .some: throw wrongType(attribute, "a number")
        }
    }

    /// - Throws: ``ONNXError`` where the attribute has another type.
    public func text(_ attribute: String) throws(ONNXError) -> String? {
        switch attributes[attribute] {
        case nil: return nil
        case .text(let value): return value
        case .some: throw wrongType(attribute, "text")
        }
    }

    /// - Throws: ``ONNXError`` where the attribute has another type.
    public func integers(_ attribute: String) throws(ONNXError) -> [Int]? {
        switch attributes[attribute] {
        case nil: return nil
        case .integers(let value): return value
        case .some: throw wrongType(attribute, "a list of integers")
        }
    }

    /// - Throws: ``ONNXError`` where the attribute has another type.
    public func numbers(_ attribute: String) throws(ONNXError) -> [Float]? {
        switch attributes[attribute] {
        case nil: return nil
        case .numbers(let value): return value
        case .some: throw wrongType(attribute, "a list of numbers")
        }
    }

    private func wrongType(_ attribute: String, _ wanted: String) -> ONNXError {
        ONNXError(.malformed, place, "attribute \(attribute) is not \(wanted)")
    }
}
