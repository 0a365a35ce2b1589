import Autodiff
import Checkpoints
import Foundation
import Networks
import TestSupport
import Tensors
import Testing

/// The same networks under the names and precisions that published files use.
@Suite struct CheckpointNamesTests {
    let folder: DiffusersFolder

    init() throws { folder = try DiffusersFolder(Golden.path("parity/models/sd15")) }

    /// The tensors of a component under other names, or left out where `rename` gives nil.
    private func renamed(
        _ component: DiffusersFolder.Component, _ rename: (String) -> String?
    ) throws -> Weights {
        let file = try #require(try folder.weights(of: component).file)
        var tensors: [(name: String, tensor: Tensor)] = []
        for name in file.names {
            if let other = rename(name) { tensors.append((other, try file.tensor(name))) }
        }
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).safetensors")
            .path
        try Safetensors.write(tensors, to: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return Weights(try Safetensors(path))
    }

    @Test func decoderReadsTheOldNamesOfItsAttention() throws {
        let configuration = try folder.configuration(ImageDecoderConfiguration.self, of: .decoder)
        let old = ["to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"]
        let weights = try renamed(.decoder) { name in
            guard name.contains("attentions") else { return name }
            return old.reduce(name) { $0.replacingOccurrences(of: $1.key, with: $1.value) }
        }
        #expect(weights.contains("decoder.mid_block.attentions.0.proj_attn.weight"))
        let latent = Variable(try Tensor((0..<64).map { sin(Float($0)) }, shape: [1, 4, 4, 4]))
        let new = try ImageDecoder(configuration, try folder.weights(of: .decoder))(latent)
        expectClose(try ImageDecoder(configuration, weights)(latent).tensor, new.tensor, within: 1e-7, "picture")
    }

    @Test func textEncoderReadsNamesWithAndWithoutTheirPrefix() throws {
        let configuration = try folder.configuration(TextEncoderConfiguration.self, of: .textEncoder)
        let weights = try renamed(.textEncoder) { "text_model." + $0 }
        let bare = try CLIPTextEncoder(configuration, try folder.weights(of: .textEncoder))([628, 5, 629])
        let prefixed = try CLIPTextEncoder(configuration, weights)([628, 5, 629])
        #expect(prefixed.last.elements == bare.last.elements)
        #expect(bare.pooled.elements == Array(bare.last.elements.suffix(32)))
    }

    @Test(arguments: [
        "conv_in.weight", "mid_block.attentions.0.proj_in.bias", "up_blocks.3.resnets.2.conv_shortcut.weight",
    ])
    func aMissingTensorIsNamed(name: String) throws {
        let configuration = try folder.configuration(UNetConfiguration.self, of: .unet)
        let weights = try renamed(.unet) { $0 == name ? nil : $0 }
        let error = #expect(throws: CheckpointError.self) { try UNet(configuration, weights) }
        #expect(error?.kind == .missing)
        #expect(error?.problem.contains(name) == true)
    }

    @Test func weightsOfAnotherModelAreRefusedWithBothShapes() throws {
        let other = try DiffusersFolder(Golden.path("parity/models/sd21"))
        let configuration = try other.configuration(UNetConfiguration.self, of: .unet)
        let error = #expect(throws: CheckpointError.self) { try UNet(configuration, try folder.weights(of: .unet)) }
        #expect(error?.kind == .mismatched)
        #expect(error?.problem.contains("[32, 48]") == true && error?.problem.contains("[32, 32]") == true)
    }
}
