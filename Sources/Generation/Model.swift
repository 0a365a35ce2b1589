import Autodiff
import Checkpoints
public import Discriminators
public import Flow
import Foundation
import Networks
import Raster
public import Tensors

/// A model ready to make pictures: networks, words, discriminators and defaults.
///
/// One per process and folder: all jobs share it, and with it one copy of the weights.
public final class Model: Sendable {
    /// Networks that judge pictures, besides those that the folder names.
    public struct Judges: Sendable, Hashable {
        /// SCRFD and ArcFace files.
        public var faceDetector, faceRecognizer: String?
        /// Side of the square that the face detector sees.
        public var detectorSize: Int?
        /// An ONNX network that maps a picture to a feature, for subjects of the kind `custom`.
        public var custom: String?
        /// Side of the square that the custom network sees, where its file does not say.
        public var customSize: Int?

        public init(
            faceDetector: String? = nil, faceRecognizer: String? = nil, detectorSize: Int? = nil, custom: String? = nil,
            customSize: Int? = nil
        ) {
            self.faceDetector = faceDetector
            self.faceRecognizer = faceRecognizer
            self.detectorSize = detectorSize
            self.custom = custom
            self.customSize = customSize
        }
    }

    /// The name in the folder's `rectifid.json`, or the folder's own.
    public let id: String
    /// Fingerprint of everything that decides the pictures: configurations and weights.
    public let hash: String
    /// What a request that says nothing gets.
    public let defaults: Settings
    /// What the U-Net and the decoder compute their products in.
    public let precision: Precision
    /// Which steps of a pass run a second time on the way back.
    public let recompute: Recompute
    /// Kinds of subjects that this model has a discriminator for.
    public let subjects: [Subject]

    /// Where the prepared weights are; nil where there was to be no file of them.
    public let cache: WeightCacheUse?

    private let networks: LoadedNetworks
    private let scheduler: SchedulerConfiguration
    private let faces: FaceDiscriminator?
    private let custom: EmbeddingDiscriminator?

    /// Loads a model.
    ///
    /// - Parameters:
    ///   - path: A folder in diffusers' layout.
    ///   - judges: Discriminators in place of, or besides, those of the folder's `rectifid.json`.
    ///   - precision: Of the products of the U-Net and the decoder, which are nearly all of the work; texts and
    ///     discriminators are float32 always.
    ///   - recompute: Which steps of a pass run a second time on the way back, to spare memory.
    ///   - cache: A folder for a file of prepared weights, which processes of one machine share; none by default.
    /// - Throws: ``GenerationError`` that names the file at fault.
    public init(
        _ path: String, judges: Judges = Judges(), precision: Precision = .float32,
        recompute: Recompute = .standard, cache: String? = nil
    ) throws(GenerationError) {
        self.precision = precision
        self.recompute = recompute
        do {
            let folder = try DiffusersFolder(path)
            scheduler = try folder.configuration(of: .scheduler)
            var fingerprint: Fingerprint
            if let cache {
                let loaded = try LoadedNetworks.load(folder, precision, cache: cache)
                (networks, self.cache, fingerprint) = (loaded.networks, loaded.use, loaded.fingerprint)
            } else {
                networks = try LoadedNetworks(folder, precision, on: nil)
                self.cache = nil
                fingerprint = try Fingerprint(ofFilesIn: path)
            }
            let decoder = networks.decoder
            defaults = try Settings(
                folder, scheduler: scheduler, side: try folder.trainedSide() * decoder.configuration.factor)
            let files = JudgeFiles(folder, judges)
            faces = try files.faceDiscriminator()
            custom = try files.customDiscriminator()
            id = folder.defaults.name ?? URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent
            try fingerprint.add(files.all, notIn: path)
            hash = fingerprint.description
        } catch {
            throw GenerationError(error)
        }
        subjects = (faces == nil ? [] : [.person]) + (custom == nil ? [] : [.custom])
        // What loading took beside the weights.
        CPU.shared.releaseUnusedMemory()
        let (network, decoder) = (networks.network, networks.decoder)
        guard decoder.configuration.latentChannels == network.configuration.inputChannels else {
            throw GenerationError(
                .invalidModel,
                "\(path): the U-Net makes \(network.configuration.inputChannels) channels, the decoder takes "
                    + "\(decoder.configuration.latentChannels)")
        }
    }

    var promptEncoder: PromptEncoder { networks.promptEncoder }
    var network: UNet { networks.network }
    var decoder: ImageDecoder { networks.decoder }

    /// Pixels of a picture per pixel of its latent, along each axis.
    public var factor: Int { decoder.configuration.factor }

    /// What finds the faces that guidance follows; nil where the model has none.
    public var faceDetector: FaceDetector? { faces?.detector }

    /// Shape of the latent of a picture, `[1, h, w, C]`.
    public func latentShape(_ settings: Settings) -> Shape {
        [1, settings.height / factor, settings.width / factor, network.configuration.inputChannels]
    }

    /// The numbers that a request comes to.
    ///
    /// - Throws: ``GenerationError`` naming the field that is out of its range.
    public func settings(for request: GenerationRequest) throws(GenerationError) -> Settings {
        let settings = try defaults.overridden(by: request, factor: factor)
        // Of the schedule, which takes no fewer steps than it has windows.
        if settings.effort != GuidanceEffort() {
            try settings.effort.check(steps: try schedule(settings).steps.count)
        }
        return settings
    }

    func schedule(_ settings: Settings) throws(GenerationError) -> Schedule {
        do {
            switch settings.flow {
            case .rectified:
                return try .rectified(steps: settings.steps, trainingSteps: scheduler.trainingSteps)
            case .piecewise:
                guard let prediction = Prediction(rawValue: scheduler.predictionType) else {
                    throw GenerationError(
                        .unsupported,
                        "prediction type \(scheduler.predictionType); a piecewise flow needs "
                            + Prediction.allCases.map(\.rawValue).joined(separator: ", "))
                }
                let noise = try NoiseSchedule(
                    trainingSteps: scheduler.trainingSteps, betaStart: scheduler.betaStart, betaEnd: scheduler.betaEnd)
                return try .piecewise(
                    steps: settings.steps, windows: scheduler.timeWindows, prediction: prediction, noise: noise)
            }
        } catch {
            throw GenerationError(error)
        }
    }

    /// The discriminator for the subjects of some references, which are of one kind.
    func discriminator(for references: [GenerationRequest.Reference]) throws(GenerationError) -> any Discriminator {
        let kinds = Set(references.map(\.subject))
        guard let subject = kinds.first, kinds.count == 1 else {
            throw .invalid(
                "subject",
                references.isEmpty ? "no reference given" : "references of several kinds; one kind per picture")
        }
        switch subject {
        case .person:
            if let faces { return faces }
            throw GenerationError(
                .unsupported, "model \(id) has no face networks; give --face-detector and --face-recognizer",
                field: "subject")
        case .custom:
            if let custom { return custom }
            throw GenerationError(
                .unsupported, "model \(id) has no custom discriminator; give --discriminator", field: "subject")
        case .liveSubject, .object:
            throw GenerationError(
                .unsupported, "no discriminator for \(subject.rawValue); person and custom are supported",
                field: "subject")
        }
    }
}

/// Which files the discriminators of a model come from.
private struct JudgeFiles {
    let detector, recognizer, custom: String?
    let detectorSize, customSize: Int?

    init(_ folder: DiffusersFolder, _ judges: Model.Judges) {
        let place = URL(fileURLWithPath: folder.path)
        func own(_ name: String?) -> String? { name.map { place.appendingPathComponent($0).path } }
        detector = judges.faceDetector ?? own(folder.defaults.faceDetector)
        recognizer = judges.faceRecognizer ?? own(folder.defaults.faceRecognizer)
        custom = judges.custom
        detectorSize = judges.detectorSize ?? folder.defaults.detectorSize
        customSize = judges.customSize
    }

    var all: [String] { [detector, recognizer, custom].compactMap { $0 } }

    func faceDiscriminator() throws -> FaceDiscriminator? {
        switch (detector, recognizer) {
        case (let detector?, let recognizer?):
            return FaceDiscriminator(
                detector: try FaceDetector(network: try ONNXNetwork(file: detector), inputSize: detectorSize),
                recognizer: try FaceRecognizer(network: try ONNXNetwork(file: recognizer)))
        case (nil, nil): return nil
        default:
            throw GenerationError(
                .invalidRequest, "faces need both a detector and a recogniser; one of the two files is missing",
                field: detector == nil ? "face-detector" : "face-recognizer")
        }
    }

    func customDiscriminator() throws -> EmbeddingDiscriminator? {
        guard let custom else { return nil }
        return try EmbeddingDiscriminator(network: try ONNXNetwork(file: custom), size: customSize)
    }
}
