import ArgumentParser
import Flow
import Foundation
import Generation
import Raster

/// What picture to make: the options that `generate` and `submit` share.
struct PictureOptions: ParsableArguments {
    @Option(
        name: .customLong("reference"),
        help:
            "A picture of the subject, JPEG or PNG; once per person, up to four. Needed. [RECTIFID_REFERENCE, by commas]"
    )
    var references: [String] = []

    @Option(
        name: .customLong("subject"),
        help: "What the references show: person (default), live-subject, object or custom. [RECTIFID_SUBJECT]")
    private var givenSubject: Subject?

    @Option(name: .customLong("prompt"), help: "What the new picture shall show. Needed. [RECTIFID_PROMPT]")
    private var givenPrompt: String?

    @Option(
        name: .customLong("negative"),
        help: "What it shall not show; counts where --cfg is above 1. [RECTIFID_NEGATIVE]")
    private var givenNegativePrompt: String?

    @Option(
        name: .customLong("seed"),
        help: "Decides the initial noise, as PyTorch's CPU generator does; 42 by default. [RECTIFID_SEED]")
    private var givenSeed: UInt64?

    @Option(help: "Evaluations of the flow per pass; the model's own by default. [RECTIFID_STEPS]")
    var steps: Int?

    @Option(help: "Updates of the guidance; the model's own by default. [RECTIFID_ITERATIONS]")
    var iterations: Int?

    @Option(help: "Size of an update; the model's own by default. [RECTIFID_RATE]")
    var rate: Double?

    @Option(
        help: """
            How much of an update becomes the offset after a step: derived, published, a number, or one per step. \
            [RECTIFID_GAIN]
            """)
    var gain: Gain?

    @Option(
        name: .customLong("cfg"),
        help: "Scale of classifier-free guidance; up to 1 the prompt runs alone. [RECTIFID_CFG]")
    var cfgScale: Float?

    @Option(help: "Width in pixels; the model's own by default. [RECTIFID_WIDTH]")
    var width: Int?

    @Option(help: "Height in pixels; the model's own by default. [RECTIFID_HEIGHT]")
    var height: Int?

    @Option(
        help: "piecewise (PeRFlow) or rectified (2-rectified flow); the model's own by default. [RECTIFID_FLOW]")
    var flow: Schedule.Kind?

    @OptionGroup var effort: EffortOptions

    @Option(
        name: .customLong("output"),
        help: "Where to write the picture: a name that ends in .jpg, .jpeg or .png. Needed. [RECTIFID_OUTPUT]")
    private var givenOutput: String?

    @Option(name: .customLong("quality"), help: "JPEG quality, 1 to 100; 95 by default. [RECTIFID_QUALITY]")
    private var givenQuality: Int?

    @Flag(
        name: .customLong("full-chroma"),
        help: "Keep colours of a JPEG at full resolution (4:4:4). [RECTIFID_FULL_CHROMA]")
    var keepsFullChroma = false

    // What cannot be left out is optional to the parser, which knows nothing of the environment.
    var subject: Subject { givenSubject ?? .person }
    var prompt: String { givenPrompt ?? "" }
    var negativePrompt: String { givenNegativePrompt ?? "" }
    var seed: UInt64 { givenSeed ?? 42 }
    var output: String { givenOutput ?? "" }
    var quality: Int { givenQuality ?? 95 }

    mutating func validate() throws {
        try readEnvironment()
        guard (1...4).contains(references.count) else {
            throw ValidationError("\(references.count) references; say --reference one to four times")
        }
        guard givenPrompt != nil else { throw ValidationError("no prompt; say --prompt TEXT") }
        guard givenOutput != nil else { throw ValidationError("no name for the picture; say --output FILE") }
        guard (1...100).contains(quality) else { throw ValidationError("--quality \(quality); 1 to 100 are possible") }
        guard format != nil else {
            throw ValidationError("--output \(output): the name must end in .jpg, .jpeg or .png")
        }
    }

    private mutating func readEnvironment() throws {
        references = EnvironmentValue.list(references, "reference")
        givenSubject = try EnvironmentValue.value(givenSubject, "subject")
        givenPrompt = try EnvironmentValue.value(givenPrompt, "prompt")
        givenNegativePrompt = try EnvironmentValue.value(givenNegativePrompt, "negative")
        givenSeed = try EnvironmentValue.value(givenSeed, "seed")
        steps = try EnvironmentValue.value(steps, "steps")
        iterations = try EnvironmentValue.value(iterations, "iterations")
        rate = try EnvironmentValue.value(rate, "rate")
        gain = try EnvironmentValue.value(gain, "gain")
        cfgScale = try EnvironmentValue.value(cfgScale, "cfg")
        width = try EnvironmentValue.value(width, "width")
        height = try EnvironmentValue.value(height, "height")
        flow = try EnvironmentValue.value(flow, "flow")
        givenOutput = try EnvironmentValue.value(givenOutput, "output")
        givenQuality = try EnvironmentValue.value(givenQuality, "quality")
        keepsFullChroma = try EnvironmentValue.flag(keepsFullChroma, "full-chroma")
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
