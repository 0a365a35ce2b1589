import Autodiff
import Checkpoints
import Flow
import Tensors

/// Every number of a run that a comparison with another implementation needs, under the names that PyTorch's values in
/// `Tests/Fixtures` have, as float32 with channels first.
public struct GenerationTrace {
    private var tensors: [(name: String, tensor: Tensor)] = []

    /// Records what a run starts from.
    ///
    /// - Throws: ``GenerationError`` where memory runs out.
    public init(_ run: GenerationRun) throws(GenerationError) {
        let inputs = run.inputs
        do {
            try add("initial_noise", latent: inputs.noise)
            for (index, ids) in inputs.prompt.ids.enumerated() {
                try add("prompt_ids\(index == 0 ? "" : "_\(index + 1)")", ids)
            }
            for (index, ids) in inputs.negative.ids.enumerated() {
                try add("negative_ids\(index == 0 ? "" : "_\(index + 1)")", ids)
            }
            tensors.append(("prompt_embedding", inputs.prompt.states))
            tensors.append(("negative_embedding", inputs.negative.states))
            if let pooled = inputs.prompt.pooled { tensors.append(("pooled", pooled)) }
            let steps = inputs.schedule.steps
            tensors.append(("timesteps", try Tensor(steps.map(\.timestep), shape: [steps.count])))
            let gains = try run.settings.gain.resolved(for: inputs.schedule)
            tensors.append(("gains", try Tensor(gains.map { Float($0) }, shape: [gains.count])))
            for (index, embedding) in inputs.references.enumerated() {
                tensors.append(("reference_embedding.\(index)", embedding))
            }
        } catch {
            throw GenerationError(error)
        }
    }

    /// Records a pass: everything of the first, the states of the second and of the last.
    ///
    /// - Throws: ``GenerationError`` where memory runs out.
    public mutating func record(_ pass: GenerationPass) throws(GenerationError) {
        let guidance = pass.guidance
        do {
            if guidance.iteration <= 1 || guidance.isLast {
                for (index, state) in guidance.states.enumerated() {
                    try add("state.\(guidance.iteration).\(index + 1)", latent: state)
                }
            }
            if guidance.iteration == 0 {
                for (index, velocity) in guidance.velocities.enumerated() {
                    try add("velocity.\(index)", latent: velocity)
                }
                for (index, gradient) in guidance.gradients.enumerated() {
                    try add("gradient.0.\(index)", latent: gradient)
                }
                try add("image.0", picture: guidance.details.picture)
                for name in ["boxes", "points", "embedding"] {
                    if let tensor = guidance.details.found[name] { tensors.append(("\(name).0", tensor)) }
                }
            }
            if guidance.isLast { try add("image.final", picture: guidance.details.picture) }
        } catch {
            throw GenerationError(error)
        }
    }

    /// Writes the trace of a finished run.
    ///
    /// - Throws: ``GenerationError`` where the file cannot be written.
    public func write(_ run: GenerationRun, to path: String) throws(GenerationError) {
        var all = self
        do {
            for (index, offset) in run.state.offsets.enumerated() {
                try all.add("offset.final.\(index)", latent: try Tensor(offset, shape: run.latentShape))
            }
            all.tensors.append(("losses", try Tensor(run.losses, shape: [run.losses.count])))
            all.tensors.append(("similarities", try Tensor(run.similarities, shape: [run.similarities.count])))
            var metadata = ["producer": "rectifid"]
            for (name, value) in run.settings.effort.words { metadata[name] = value }
            try Safetensors.write(all.tensors, metadata: metadata, to: path)
        } catch {
            throw GenerationError(error)
        }
    }

    private mutating func add(_ name: String, latent: Tensor) throws {
        tensors.append((name, try Variable(latent).transposed([0, 3, 1, 2]).tensor))
    }

    private mutating func add(_ name: String, picture: Tensor) throws {
        let planes = try Variable(picture).transposed([0, 3, 1, 2]).tensor
        tensors.append((name, try planes.reshaped(try Shape(Array(planes.shape.array.dropFirst())))))
    }

    private mutating func add(_ name: String, _ ids: [Int]) throws {
        tensors.append((name, try Tensor(ids.map { Float($0) }, shape: [1, ids.count])))
    }
}
