public import Tensors

/// Tensors of a checkpoint whose names start with a prefix: `weights["down_blocks"][0].tensor("conv.weight", ..)`.
///
/// A view: it is made for each part of a network and costs nothing. Tensors that nobody asks for are never read.
public struct Weights: Sendable {
    public let file: Safetensors
    /// What all names start with, dot included; empty for the whole file.
    public let prefix: String
    /// What layers that are made of them compute their products in; the file may keep them in another format.
    public let precision: Precision

    /// All tensors of a file.
    public init(_ file: Safetensors, precision: Precision = .float32) {
        self.init(file: file, prefix: "", precision: precision)
    }

    private init(file: Safetensors, prefix: String, precision: Precision) {
        self.file = file
        self.prefix = prefix
        self.precision = precision
    }

    /// The same weights for products in another format.
    public func computing(in precision: Precision) -> Weights {
        Weights(file: file, prefix: prefix, precision: precision)
    }

    /// The part of that name.
    public subscript(part: String) -> Weights {
        Weights(file: file, prefix: prefix + part + ".", precision: precision)
    }

    /// The part of that number, as lists of modules are named.
    public subscript(index: Int) -> Weights { self[String(index)] }

    /// Whether there is a tensor of this name.
    public func contains(_ key: String) -> Bool { file.contains(prefix + key) }

    /// Shape of a tensor, nil where there is none of this name.
    public func shape(of key: String) -> Shape? { file.shape(of: prefix + key) }

    /// A tensor as float32.
    ///
    /// - Throws: ``CheckpointError`` that names file, tensor and both shapes.
    public func tensor(_ key: String, _ shape: Shape? = nil) throws(CheckpointError) -> Tensor {
        try file.tensor(prefix + key, shape)
    }

    /// Runs a tensor operation of loading; its failure becomes one of the file.
    public func loading<Value>(
        _ key: String, _ body: () throws(TensorError) -> Value
    ) throws(CheckpointError) -> Value {
        do {
            return try body()
        } catch {
            throw CheckpointError(error, file: file.path, loading: prefix + key)
        }
    }
}
