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
            try folder.weights(of: component, on: shelf).computing(in: precision)
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
    ///
    /// - Returns: Where the weights are then, and the fingerprint of the folder's files.
    static func load(
        _ folder: DiffusersFolder, _ precision: Precision, cache: String
    ) throws(CheckpointError) -> (networks: LoadedNetworks, use: WeightCacheUse, fingerprint: Fingerprint) {
        func shelf() throws(CheckpointError) -> PreparedWeights {
            try PreparedWeights(in: cache, model: folder.path, precision)
        }
        let first = try shelf()
        let prepared = try LoadedNetworks(folder, precision, on: first)
        func loaded(_ networks: LoadedNetworks, _ place: WeightCacheUse.Place, _ problems: [String] = [])
            -> (LoadedNetworks, WeightCacheUse, Fingerprint)
        {
            let use = WeightCacheUse(file: first.path, place: place, problems: first.problems + problems)
            return (networks, use, first.fingerprint)
        }
        guard !first.isComplete else { return loaded(prepared, .found) }
        do {
            try first.write()
            // What is in memory goes: from here on this process, too, uses the file.
            let second = try shelf()
            let mapped = try LoadedNetworks(folder, precision, on: second)
            return loaded(mapped, second.isComplete ? .written : .memory, second.problems)
        } catch {
            return loaded(prepared, .memory, ["\(error)"])
        }
    }
}
