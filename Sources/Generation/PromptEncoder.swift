import Autodiff
import Checkpoints
import Networks
import Tensors

/// Words as the U-Net takes them: one text encoder, or the two of Stable Diffusion XL.
struct PromptEncoder: Sendable {
    /// A prompt, encoded.
    struct Encoded: Sendable {
        /// Token ids of each tokenizer.
        var ids: [[Int]]
        /// `[1, T, C]`.
        var states: Tensor
        /// `[1, P]`; Stable Diffusion XL only.
        var pooled: Tensor?
    }

    private let encoders: [(tokenizer: CLIPTokenizer, encoder: CLIPTextEncoder)]
    private let pipeline: DiffusersFolder.Pipeline
    private let zerosForEmptyPrompt: Bool

    init(_ folder: DiffusersFolder, on shelf: PreparedWeights? = nil) throws(CheckpointError) {
        var parts: [(DiffusersFolder.Component, DiffusersFolder.Component)] = [(.tokenizer, .textEncoder)]
        if folder.pipeline == .stableDiffusionXL { parts.append((.tokenizer2, .textEncoder2)) }
        var encoders: [(tokenizer: CLIPTokenizer, encoder: CLIPTextEncoder)] = []
        for (tokenizer, encoder) in parts {
            encoders.append(
                (
                    try CLIPTokenizer(folder: folder.path(of: tokenizer)),
                    try CLIPTextEncoder(
                        try folder.configuration(of: encoder),
                        try folder.weights(of: encoder, on: shelf))
                ))
        }
        self.encoders = encoders
        pipeline = folder.pipeline
        zerosForEmptyPrompt = folder.zerosForEmptyPrompt
    }

    /// Encodes a prompt.
    ///
    /// - Parameter isNegative: Whether an empty text may stand for zeros, as Stable Diffusion XL has it.
    func callAsFunction(_ text: String, isNegative: Bool = false) throws(TensorError) -> Encoded {
        var ids: [[Int]] = []
        var encodings: [TextEncoding] = []
        for (tokenizer, encoder) in encoders {
            ids.append(tokenizer.encode(text))
            encodings.append(try encoder(ids[ids.count - 1]))
        }
        guard pipeline == .stableDiffusionXL else {
            return Encoded(ids: ids, states: encodings[0].last, pooled: nil)
        }
        let states = try Variable.concatenating(encodings.map { Variable($0.penultimate) }, axis: -1).tensor
        let pooled = encodings[encodings.count - 1].pooled
        guard isNegative, text.isEmpty, zerosForEmptyPrompt else {
            return Encoded(ids: ids, states: states, pooled: pooled)
        }
        return Encoded(
            ids: ids, states: try Tensor(repeating: 0, shape: states.shape),
            pooled: try Tensor(repeating: 0, shape: pooled.shape))
    }
}
