import ArgumentParser
import Flow
import Foundation
import Generation
import Raster

/// What picture to make: the options that `generate` and `submit` share.
struct PictureOptions: ParsableArguments {
    @Option(name: .customLong("reference"), help: "A picture of the subject, JPEG or PNG; once per person, up to four.")
    var references: [String]

    @Option(help: "What the references show: person, live-subject, object or custom.")
    var subject: Subject = .person

    @Option(help: "What the new picture shall show.")
    var prompt: String

    @Option(name: .customLong("negative"), help: "What it shall not show; counts where --cfg is above 1.")
    var negativePrompt = ""

    @Option(help: "Decides the initial noise, as PyTorch's CPU generator does.")
    var seed: UInt64 = 42

    @Option(help: "Evaluations of the flow per pass; the model's own by default.")
    var steps: Int?

    @Option(help: "Updates of the guidance; the model's own by default.")
    var iterations: Int?

    @Option(help: "Size of an update; the model's own by default.")
    var rate: Double?

    @Option(
        help: "How much of an update becomes the offset after a step: derived, published, a number, or one per step.")
    var gain: Gain?

    @Option(name: .customLong("cfg"), help: "Scale of classifier-free guidance; up to 1 the prompt runs alone.")
    var cfgScale: Float?

    @Option(help: "Width in pixels; the model's own by default.")
    var width: Int?

    @Option(help: "Height in pixels; the model's own by default.")
    var height: Int?

    @Option(help: "piecewise (PeRFlow) or rectified (2-rectified flow); the model's own by default.")
    var flow: Schedule.Kind?

    @Option(name: .customLong("stop-at-similarity"), help: "Stop at the first pass with this similarity, 0 to 1.")
    var sufficientSimilarity: Float?

    @Option(help: "Where to write the picture: a name that ends in .jpg, .jpeg or .png.")
    var output: String

    @Option(help: "JPEG quality, 1 to 100.")
    var quality = 95

    @Flag(name: .customLong("full-chroma"), help: "Keep colours of a JPEG at full resolution (4:4:4).")
    var keepsFullChroma = false

    func validate() throws {
        guard (1...4).contains(references.count) else {
            throw ValidationError("\(references.count) references; one to four are possible")
        }
        guard (1...100).contains(quality) else { throw ValidationError("--quality \(quality); 1 to 100 are possible") }
        guard format != nil else {
            throw ValidationError("--output \(output): the name must end in .jpg, .jpeg or .png")
        }
    }

    /// The format that the output's name asks for.
    var format: PictureFormat? { PictureFormat(fileExtension: URL(fileURLWithPath: output).pathExtension) }

    /// How the output is encoded.
    var encoding: PictureEncoding {
        format == .png ? .png : .jpeg(JPEGOptions(quality: quality, chroma: keepsFullChroma ? .full : .half))
    }

    /// The bytes of the reference files.
    func referenceFiles() throws -> [[UInt8]] {
        try references.map { path in
            do {
                return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            } catch {
                throw CommandFailure(.missingInput, "\(path): cannot be read: \(error.localizedDescription)")
            }
        }
    }

    /// Writes the finished file, whole or not at all.
    func write(_ bytes: [UInt8]) throws {
        do {
            try Data(bytes).write(to: URL(fileURLWithPath: output), options: .atomic)
        } catch {
            throw CommandFailure(.cannotWrite, "\(output): cannot be written: \(error.localizedDescription)")
        }
    }
}
