import Foundation
public import Tensors

/// A model in the layout of the diffusers library: `model_index.json` and a folder per component.
public struct DiffusersFolder: Sendable {
    /// Kinds of pipelines that share this layout.
    public enum Pipeline: Sendable, Hashable {
        /// One text encoder: Stable Diffusion 1.5 and 2.1 and everything derived from them.
        case stableDiffusion
        /// Two text encoders and picture sizes as conditions.
        case stableDiffusionXL
    }

    /// Parts of a model; the raw value is the folder's name.
    public enum Component: String, Sendable, Hashable, CaseIterable {
        case unet
        case decoder = "vae"
        case textEncoder = "text_encoder"
        case textEncoder2 = "text_encoder_2"
        case tokenizer
        case tokenizer2 = "tokenizer_2"
        case scheduler
    }

    /// The folder, as it was given.
    public let path: String
    public let pipeline: Pipeline
    /// Whether an empty negative prompt stands for an embedding of zeros (`force_zeros_for_empty_prompt`).
    public let zerosForEmptyPrompt: Bool
    /// What `rectifid.json` says about the model; empty where there is no such file.
    public let defaults: ModelDefaults

    /// Reads what the folder says about itself; no weights yet.
    ///
    /// - Throws: ``CheckpointError`` where this is no such folder, a component is missing, or it is a pipeline of an
    ///   unknown kind.
    public init(_ path: String) throws(CheckpointError) {
        let place = URL(fileURLWithPath: path)
        let indexPath = place.appendingPathComponent("model_index.json").path
        let index = try JSONFile.decode(Index.self, at: indexPath)
        guard let pipeline = Index.pipelines[index.className] else {
            throw CheckpointError(
                .unsupported, file: indexPath,
                "describes a \(index.className); known are \(Index.pipelines.keys.sorted().joined(separator: ", "))")
        }
        self.path = path
        self.pipeline = pipeline
        zerosForEmptyPrompt = index.zerosForEmptyPrompt ?? (pipeline == .stableDiffusionXL)
        let defaultsPath = place.appendingPathComponent("rectifid.json").path
        defaults =
            FileManager.default.fileExists(atPath: defaultsPath)
            ? try JSONFile.decode(at: defaultsPath) : ModelDefaults()
        for component in components where !FileManager.default.fileExists(atPath: self.path(of: component)) {
            throw CheckpointError(.missing, file: path, "has no folder \(component.rawValue)")
        }
    }

    /// Whether a folder looks like one of these.
    public static func isFolder(_ path: String) -> Bool {
        FileManager.default.fileExists(
            atPath: URL(fileURLWithPath: path).appendingPathComponent("model_index.json").path)
    }

    /// The components that this kind of pipeline has.
    public var components: [Component] {
        switch pipeline {
        case .stableDiffusion: [.unet, .decoder, .textEncoder, .tokenizer, .scheduler]
        case .stableDiffusionXL: Component.allCases
        }
    }

    /// Path of a component's folder, or of a file in it.
    public func path(of component: Component, _ file: String? = nil) -> String {
        let folder = URL(fileURLWithPath: path).appendingPathComponent(component.rawValue)
        return (file.map { folder.appendingPathComponent($0) } ?? folder).path
    }

    /// The configuration of a component.
    ///
    /// - Throws: ``CheckpointError`` where it is absent or lacks what the type needs.
    public func configuration<Value: Decodable>(
        _ type: Value.Type = Value.self, of component: Component
    ) throws(CheckpointError) -> Value {
        try JSONFile.decode(
            type, at: path(of: component, component == .scheduler ? "scheduler_config.json" : "config.json"))
    }

    /// Side of the latents that the U-Net was trained on: its `sample_size`, 64 where it says none or two.
    ///
    /// - Throws: ``CheckpointError`` where its configuration is absent or says no number.
    public func trainedSide() throws(CheckpointError) -> Int {
        try configuration(SampleSize.self, of: .unet).side ?? 64
    }

    /// The weights of a component, mapped, not read: single precision where the folder has several.
    ///
    /// - Parameter shelf: Where forms that a device prepares of them are kept, under the component's name.
    /// - Throws: ``CheckpointError`` where there is no safetensors file, or it is damaged.
    public func weights(
        of component: Component, on shelf: (any WeightShelf)? = nil
    ) throws(CheckpointError) -> Weights {
        let isTextEncoder = component == .textEncoder || component == .textEncoder2
        let stem = isTextEncoder ? "model" : "diffusion_pytorch_model"
        let names = ["", ".bf16", ".fp16"].flatMap { variant in
            ["\(stem)\(variant).safetensors", "\(stem).safetensors.index\(variant).json"]
        }
        for name in names where FileManager.default.fileExists(atPath: path(of: component, name)) {
            return Weights(try Safetensors(path(of: component, name))).keeping(on: shelf, as: component.rawValue)
        }
        throw CheckpointError(
            .missing, file: path(of: component),
            "has none of \(names.joined(separator: ", ")); files of other formats (.bin, .ckpt) must be converted to safetensors"
        )
    }

    /// `model_index.json`.
    private struct Index: Decodable {
        static let pipelines: [String: Pipeline] = [
            "StableDiffusionPipeline": .stableDiffusion,
            "RectifiedFlowPipeline": .stableDiffusion,
            "StableDiffusionXLPipeline": .stableDiffusionXL,
        ]

        let className: String
        let zerosForEmptyPrompt: Bool?

        enum CodingKeys: String, CodingKey {
            case className = "_class_name"
            case zerosForEmptyPrompt = "force_zeros_for_empty_prompt"
        }
    }
}

private struct SampleSize: Decodable {
    let side: Int?

    enum CodingKeys: String, CodingKey { case side = "sample_size" }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        // Some say height and width.
        let isPair = (try? container.decodeIfPresent([Int].self, forKey: .side)).flatMap { $0 } != nil
        let number = isPair ? nil : try container.decodeIfPresent(Int.self, forKey: .side)
        side = number.flatMap { (2...512).contains($0) ? $0 : nil }
    }
}
