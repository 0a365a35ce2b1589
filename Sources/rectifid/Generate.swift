import ArgumentParser
import Autodiff
import Checkpoints
import DemoModel
import Foundation
import Generation
import Raster
import Tensors

/// `rectifid generate`: one picture, on this machine.
struct Generate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Makes a picture on this machine.")

    @OptionGroup var picture: PictureOptions
    @OptionGroup var model: ModelOptions

    @Option(help: "A safetensors file whose tensor initial_noise [1, C, h, w] replaces the seed's noise.")
    var initialNoise: String?

    @Option(help: "Where to write every intermediate result as safetensors, for comparison with other implementations.")
    var trace: String?

    @Flag(help: "Print one line of JSON about the picture to standard output.")
    var json = false

    func run() async throws { try await CommandFailure.reporting { try generate() } }

    private func generate() throws {
        let request = try request()
        let model = try model.load()
        var run = try model.begin(request, noise: try noise())
        var record = trace == nil ? nil : try GenerationTrace(run)
        let progress = ProgressReport(iterations: run.settings.iterations)
        var result: GenerationPass?
        while let pass = try run.next() {
            progress.show(iteration: pass.iteration, loss: pass.loss, similarity: pass.similarity)
            try record?.record(pass)
            result = pass
        }
        guard let result else { throw CommandFailure(.internalFailure, "the run made no pass") }
        if let trace { try record?.write(run, to: trace) }
        let metadata = PictureMetadata(of: run, request, model: model)
        do {
            try picture.write(try result.picture().encode(picture.encoding, metadata: metadata))
        } catch let error as PictureError {
            throw CommandFailure(.internalFailure, "\(error)")
        }
        try report(run, model)
    }

    private func request() throws -> GenerationRequest {
        var references: [GenerationRequest.Reference] = []
        for (path, bytes) in zip(picture.references, try picture.referenceFiles()) {
            do {
                references.append(.init(try Picture.decode(bytes), subject: picture.subject))
            } catch {
                throw CommandFailure(.refused, "\(path): \(error)")
            }
        }
        var request = GenerationRequest(references: references, prompt: picture.prompt, seed: picture.seed)
        request.negativePrompt = picture.negativePrompt
        request.width = picture.width
        request.height = picture.height
        request.steps = picture.steps
        request.iterations = picture.iterations
        request.rate = picture.rate
        request.gain = picture.gain
        request.cfgScale = picture.cfgScale
        request.flow = picture.flow
        request.effort = picture.effort.value
        return request
    }

    /// The file's noise, channels last.
    private func noise() throws -> Tensor? {
        guard let initialNoise else { return nil }
        do {
            let tensor = try Safetensors(initialNoise).tensor("initial_noise")
            guard tensor.shape.rank == 4 else {
                throw CommandFailure(
                    .refused, "\(initialNoise): initial_noise has shape \(tensor.shape); [1, C, h, w] is needed")
            }
            return try Variable(tensor).transposed([0, 2, 3, 1]).tensor
        } catch let error as CheckpointError {
            throw CommandFailure(error.kind == .unreadable ? .missingInput : .refused, "\(error)")
        }
    }

    private func report(_ run: GenerationRun, _ model: Model) throws {
        let before = run.similarities.first ?? 0, after = run.similarities.last ?? 0
        if json {
            let summary = Summary(
                output: picture.output, model: model.id, modelHash: model.hash, seed: picture.seed,
                width: run.settings.width, height: run.settings.height, losses: run.losses,
                similarityBefore: before, similarityAfter: after,
                seconds: Dictionary(uniqueKeysWithValues: run.timings.map { ($0.phase, $0.seconds) }))
            JSONOutput.printLine(summary)
        } else {
            print(String(format: "%@: similarity %.3f, from %.3f unguided", picture.output, after, before))
        }
    }

    private struct Summary: Encodable {
        let output, model, modelHash: String
        let seed: UInt64
        let width, height: Int
        let losses: [Float]
        let similarityBefore, similarityAfter: Float
        let seconds: [String: Double]
    }
}
