import Autodiff
public import Checkpoints
import Foundation
public import Tensors

/// Reference values and models that lie in `Tests/Fixtures`.
public enum Golden {
    /// Path of a file or folder of `Tests/Fixtures`.
    public static func path(_ relative: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures").appendingPathComponent(relative).path
    }

    /// Tensors of a safetensors file of `Tests/Fixtures`.
    public static func tensors(_ relative: String) throws -> Safetensors {
        try Safetensors(path(relative))
    }

    /// A JSON file of `Tests/Fixtures`.
    public static func json<Value: Decodable>(_ type: Value.Type = Value.self, _ relative: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(contentsOf: URL(fileURLWithPath: path(relative))))
    }
}

extension Tensor {
    /// PyTorch's `[N, C, H, W]` as `[N, H, W, C]`; without N, `[C, H, W]` as `[1, H, W, C]`.
    public func channelsLast() throws -> Tensor {
        let batched = shape.rank == 3 ? try reshaped(try Shape([1] + shape.array)) : self
        return try Variable(batched).transposed([0, 2, 3, 1]).tensor
    }

    /// `[N, H, W, C]` as PyTorch's `[N, C, H, W]`.
    public func channelsFirst() throws -> Tensor {
        try Variable(self).transposed([0, 3, 1, 2]).tensor
    }
}
