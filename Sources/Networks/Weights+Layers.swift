public import Checkpoints
public import Layers
import Tensors

/// Layers from the tensors of a checkpoint, under the names that PyTorch gives their parameters.
extension Weights {
    /// `KEY.weight` `[outputs, inputs]` (or `[outputs, inputs, 1, 1]`) and, unless told, `KEY.bias`.
    ///
    /// - Throws: ``CheckpointError`` where one is missing or has another shape.
    public func linear(
        _ key: String, from inputs: Int, to outputs: Int, bias: Bool = true
    ) throws(CheckpointError) -> Linear {
        // A 1 x 1 convolution is a linear map of each pixel's channels, and older files store some maps as one.
        let isConvolution = self.shape(of: key + ".weight")?.rank == 4
        let weight = try layer(key + ".weight", isConvolution ? [outputs, inputs, 1, 1] : [outputs, inputs])
        let bias = bias ? try tensor(key + ".bias", [outputs]) : nil
        return try loading(key) { () throws(TensorError) in try Linear(weight: weight, bias: bias, precision: precision)
        }
    }

    /// `KEY.weight` `[outputs, inputs, kernel, kernel]` and, unless told, `KEY.bias`; zeros around keep the size at stride 1.
    ///
    /// - Throws: ``CheckpointError`` where one is missing or has another shape.
    public func convolution(
        _ key: String, from inputs: Int, to outputs: Int, kernel: Int = 3, stride: Int = 1, repeats: Int = 1,
        bias: Bool = true
    ) throws(CheckpointError) -> Convolution {
        let weight = try layer(key + ".weight", [outputs, inputs, kernel, kernel])
        let bias = bias ? try tensor(key + ".bias", [outputs]) : nil
        return try loading(key) { () throws(TensorError) in
            try Convolution(
                weight: weight, bias: bias, Window(stride: stride, padding: kernel / 2, repeats: repeats),
                precision: precision)
        }
    }

    /// `KEY.weight` and `KEY.bias`, `[channels]` each.
    ///
    /// - Throws: ``CheckpointError`` where one is missing or has another shape.
    public func groupNorm(
        _ key: String, channels: Int, groups: Int, epsilon: Float, silu: Bool = false
    ) throws(CheckpointError) -> GroupNorm {
        let weight = try tensor(key + ".weight", [channels]), bias = try tensor(key + ".bias", [channels])
        return try loading(key) { () throws(TensorError) in
            try GroupNorm(
                groups: groups, weight: weight, bias: bias, epsilon: epsilon, silu: silu, precision: precision)
        }
    }

    /// `KEY.weight` and `KEY.bias`, `[channels]` each.
    ///
    /// - Throws: ``CheckpointError`` where one is missing or has another shape.
    public func layerNorm(_ key: String, channels: Int, epsilon: Float = 1e-5) throws(CheckpointError) -> LayerNorm {
        let weight = try tensor(key + ".weight", [channels]), bias = try tensor(key + ".bias", [channels])
        return try loading(key) { () throws(TensorError) in
            try LayerNorm(weight: weight, bias: bias, epsilon: epsilon, precision: precision)
        }
    }

    /// `KEY.weight` `[rows, width]`.
    ///
    /// - Throws: ``CheckpointError`` where it is missing or has another shape.
    public func embedding(_ key: String, rows: Int, width: Int) throws(CheckpointError) -> Embedding {
        let table = try layer(key + ".weight", [rows, width])
        return try loading(key) { () throws(TensorError) in try Embedding(table: try table.tensor()) }
    }
}
