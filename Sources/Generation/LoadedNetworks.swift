import Checkpoints
import Networks
import Tensors

/// The networks of a model's folder.
struct LoadedNetworks: Sendable {
    let promptEncoder: PromptEncoder
    let network: UNet
    let decoder: ImageDecoder

    /// - Parameter shelf: Where weights lie that were prepared before, and where those go that are prepared now.
    init(_ folder: DiffusersFolder, _ precision: Precision, on shelf: PreparedWeights?) throws(CheckpointError) {
        func weights(of component: DiffusersFolder.Component) throws(CheckpointError) -> Weights {
            try folder.weights(of: component).computing(in: precision).keeping(on: shelf, as: component.rawValue)
        }
        promptEncoder = try PromptEncoder(folder, on: shelf)
        network = try UNet(try folder.configuration(of: .unet), try weights(of: .unet))
        decoder = try ImageDecoder(try folder.configuration(of: .decoder), try weights(of: .decoder))
    }
}

/// Where a model's prepared weights are.
public struct WeightCacheUse: Sendable, Hashable {
    public enum Place: String, Sendable, Hashable {
        /// In the file that was there: this process prepared nothing.
        case found
        /// In the file that this process wrote.
        case written
        /// In this process alone, since the file cannot be written.
        case memory
    }

    public let file: String
    public let place: Place
    /// Why a file that was there was not used, and why there is no new one.
    public let problems: [String]
}

extension LoadedNetworks {
    /// Loads through a file of prepared weights: from it, or, where it is not there or does not fit, after making it.
    init(
        _ folder: DiffusersFolder, _ precision: Precision, cache: String,
        _ report: (WeightCacheUse, Fingerprint) -> Void
    ) throws(CheckpointError) {
        func shelf() throws(CheckpointError) -> PreparedWeights {
            try PreparedWeights(in: cache, model: folder.path, precision)
        }
        let first = try shelf()
        let networks = try LoadedNetworks(folder, precision, on: first)
        func note(_ place: WeightCacheUse.Place, _ problems: [String] = []) {
            let use = WeightCacheUse(file: first.path, place: place, problems: first.problems + problems)
            report(use, first.fingerprint)
        }
        guard !first.isComplete else {
            note(.found)
            self = networks
            return
        }
        do {
            try first.write()
            // What is in memory goes: from here on this process, too, uses the file.
            let second = try shelf()
            self = try LoadedNetworks(folder, precision, on: second)
            note(second.isComplete ? .written : .memory, second.problems)
        } catch {
            note(.memory, ["\(error)"])
            self = networks
        }
    }
}
