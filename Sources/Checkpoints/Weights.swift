public import Tensors

/// Tensors of a checkpoint whose names start with a prefix: `weights["down_blocks"][0].tensor("conv.weight", ..)`.
///
/// A view: it is made for each part of a network and costs nothing. Tensors that nobody asks for are never read.
public struct Weights: Sendable {
    private enum Source: Sendable {
        case file(Safetensors)
        case random(RandomWeights)
    }

    private let source: Source
    /// The file that the tensors come from; nil where they are random.
    public var file: Safetensors? {
        if case .file(let file) = source { file } else { nil }
    }
    /// What all names start with, dot included; empty for the whole file.
    public private(set) var prefix = ""
    /// What layers that are made of them compute their products in; the file may keep them in another format.
    public private(set) var precision: Precision
    /// Where forms that a device prepares of them are kept, and what their names start with there.
    private var shelf: (any WeightShelf)?
    private var shelfPrefix = ""

    /// All tensors of a file.
    public init(_ file: Safetensors, precision: Precision = .float32) {
        (source, self.precision) = (.file(file), precision)
    }

    /// Tensors of any name and shape, for measuring networks whose weights are not at hand.
    public init(_ random: RandomWeights, precision: Precision = .float32) {
        (source, self.precision) = (.random(random), precision)
    }

    /// The same weights for products in another format.
    public func computing(in precision: Precision) -> Weights {
        var weights = self
        weights.precision = precision
        return weights
    }

    /// The same weights, whose prepared forms are kept on a shelf under names that start with `name`.
    func keeping(on shelf: (any WeightShelf)?, as name: String) -> Weights {
        var weights = self
        (weights.shelf, weights.shelfPrefix) = (shelf, name + "/")
        return weights
    }

    /// The part of that name.
    public subscript(part: String) -> Weights {
        var weights = self
        weights.prefix += part + "."
        return weights
    }

    /// The part of that number, as lists of modules are named.
    public subscript(index: Int) -> Weights { self[String(index)] }

    /// Whether there is a tensor of this name; random weights have those that are asked for and no others.
    public func contains(_ key: String) -> Bool {
        file?.contains(prefix + key) ?? false
    }

    /// Shape of a tensor, nil where there is none of this name or it has none yet.
    public func shape(of key: String) -> Shape? { file?.shape(of: prefix + key) }

    /// A tensor as float32.
    ///
    /// - Throws: ``CheckpointError`` that names file, tensor and both shapes.
    public func tensor(_ key: String, _ shape: Shape? = nil) throws(CheckpointError) -> Tensor {
        switch source {
        case .file(let file): return try file.tensor(prefix + key, shape)
        case .random(let random):
            guard let shape else {
                throw CheckpointError(.mismatched, file: path, "\(prefix + key) needs a shape to be made for")
            }
            return try loading(key) { () throws(TensorError) in try random.tensor(prefix + key, shape) }
        }
    }

    /// A tensor that a device is to prepare, not read yet.
    ///
    /// - Throws: ``CheckpointError`` that names file, tensor and both shapes.
    public func layer(_ key: String, _ shape: Shape) throws(CheckpointError) -> LayerWeights {
        switch source {
        case .file(let file):
            let numbers = try file.numbers(prefix + key, shape)
            return LayerWeights(
                shape, name: shelfPrefix + prefix + key, isShared: numbers.isShared, on: shelf, read: numbers.tensor)
        case .random(let random):
            let name = prefix + key
            return LayerWeights(shape) { () throws(TensorError) in try random.tensor(name, shape) }
        }
    }

    private var path: String { file?.path ?? "random weights" }

    /// Runs a tensor operation of loading; its failure becomes one of the file.
    public func loading<Value>(
        _ key: String, _ body: () throws(TensorError) -> Value
    ) throws(CheckpointError) -> Value {
        do {
            return try body()
        } catch {
            throw CheckpointError(error, file: path, loading: prefix + key)
        }
    }
}
