import Autodiff
import Layers
public import Tensors

/// What a U-Net needs of its prompts, computed once per job: the keys and values of every cross-attention, which depend
/// neither on the latent nor on the time, and carry no gradient.
public struct TextConditioning: Sendable {
    /// Number of prompts, N.
    public let count: Int
    /// In the order of the network's cross-attentions.
    let keysAndValues: [KeysAndValues]
    /// Added to the time embedding, `[N, timeWidth]`; Stable Diffusion XL only.
    let addition: Tensor?
}

extension Variable {
    /// Repeated whole until there are `count` pictures, for a part that differs from prompt to prompt.
    func underPrompts(_ count: Int) throws(TensorError) -> Variable {
        let times = count / shape[0]
        return times == 1 ? self : try .concatenating([Variable](repeating: self, count: times), axis: 0)
    }
}

/// Stable Diffusion XL's further condition of a picture.
public struct PictureConditioning: Sendable {
    /// Pooled text of the second encoder, `[N, P]`.
    public var pooled: Tensor
    /// Height and width of the original picture, top and left of the crop, target height and width, in pixels: the same
    /// for all N.
    public var sizes: [Float]

    public init(pooled: Tensor, sizes: [Float]) {
        (self.pooled, self.sizes) = (pooled, sizes)
    }

    /// A whole picture of that size.
    public init(pooled: Tensor, height: Int, width: Int) {
        let (height, width) = (Float(height), Float(width))
        self.init(pooled: pooled, sizes: [height, width, 0, 0, height, width])
    }
}
