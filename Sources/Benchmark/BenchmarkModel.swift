public import Checkpoints
import Foundation
import Networks
import Tensors

/// The networks that are measured: of a published size with random weights, or a folder's.
public struct BenchmarkModel: Sendable {
    /// `sd15`, or the folder's name.
    public let name: String
    /// Side in pixels that it was trained for.
    public let side: Int
    /// Classifier-free guidance evaluates two prompts; a scale of 1 only one.
    public let prompts: Int
    private let unetConfiguration: UNetConfiguration
    private let decoderConfiguration: ImageDecoderConfiguration
    private let unetWeights, decoderWeights: Weights

    public init(_ scale: BenchmarkScale) throws {
        (name, side, prompts) = (scale.rawValue, scale.side, scale.prompts)
        (unetConfiguration, decoderConfiguration) = (try scale.unet(), try scale.decoder())
        let weights = Weights(RandomWeights())
        (unetWeights, decoderWeights) = (weights["unet"], weights["vae"])
    }

    /// - Parameters:
    ///   - path: A folder in diffusers' layout.
    ///   - shelf: Where its prepared weights are, and go.
    /// - Throws: ``CheckpointError`` where it is none.
    public init(folder path: String, on shelf: PreparedWeights? = nil) throws {
        let folder = try DiffusersFolder(path)
        name = URL(fileURLWithPath: path).lastPathComponent
        prompts = folder.pipeline == .stableDiffusionXL ? 1 : 2
        unetConfiguration = try folder.configuration(of: .unet)
        decoderConfiguration = try folder.configuration(of: .decoder)
        side = try folder.trainedSide() * decoderConfiguration.factor
        unetWeights = try folder.weights(of: .unet, on: shelf)
        decoderWeights = try folder.weights(of: .decoder, on: shelf)
    }

    func unet(_ precision: Precision) throws -> UNet {
        try UNet(unetConfiguration, unetWeights.computing(in: precision))
    }

    func decoder(_ precision: Precision) throws -> ImageDecoder {
        try ImageDecoder(decoderConfiguration, decoderWeights.computing(in: precision))
    }

    /// Shape of the latents of so many pictures.
    func latent(_ count: Int, height: Int, width: Int) -> [Int] {
        let factor = decoderConfiguration.factor
        return [count, height / factor, width / factor, decoderConfiguration.latentChannels]
    }
}
