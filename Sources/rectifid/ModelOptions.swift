import ArgumentParser
import DemoModel
import Generation
import Tensors

/// Which model, and which networks judge its pictures.
struct ModelOptions: ParsableArguments {
    @Option(name: .customLong("model"), help: "A folder in diffusers' layout, or demo for the embedded model.")
    var path = "demo"

    @Option(help: "SCRFD face detector, ONNX; the model's own by default.")
    var faceDetector: String?

    @Option(help: "ArcFace face recogniser, ONNX; the model's own by default.")
    var faceRecognizer: String?

    @Option(help: "Side of the square that the face detector sees, a multiple of 32.")
    var detectorSize: Int?

    @Option(help: "ONNX network from a picture to a feature, for --subject custom.")
    var discriminator: String?

    @Option(help: "Side of the square that it sees, where its file does not say.")
    var discriminatorSize: Int?

    @Option(
        help: """
            What the networks compute their products in, float32 or bfloat16; bfloat16 by default where the processor has \
            it, since that takes half the time. [RECTIFID_PRECISION]
            """)
    var precision: Precision?

    @OptionGroup var memory: MemoryOptions
    @OptionGroup var cache: CacheOptions

    mutating func validate() throws {
        precision = try EnvironmentValue.value(precision, "precision")
        if let size = detectorSize, size % 32 != 0 || !(32...4096).contains(size) {
            throw ValidationError("--detector-size \(size); multiples of 32 up to 4096 are possible")
        }
    }

    /// Whether it is the embedded model.
    var isDemo: Bool { path == "demo" }

    /// The model's folder.
    func directory() throws -> String {
        do {
            return isDemo ? try DemoModel.directory() : path
        } catch {
            throw CommandFailure(.missingInput, "\(error)")
        }
    }

    /// Loads the model.
    func load() throws -> Model {
        let model = try Model(
            try directory(),
            judges: .init(
                faceDetector: faceDetector, faceRecognizer: faceRecognizer, detectorSize: detectorSize,
                custom: discriminator, customSize: discriminatorSize),
            precision: precision ?? CPU.preferredPrecision, recompute: memory.plan, cache: cache.folder)
        for problem in model.cacheProblems { StandardError.write("Warning: \(problem)\n") }
        return model
    }
}
