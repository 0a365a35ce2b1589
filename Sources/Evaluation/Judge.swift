import Autodiff
public import Discriminators
import Generation
import Networks
public import Raster
import Tensors

/// Says who a picture shows, by a recogniser that took no part in making it.
///
/// Guidance finds whatever its own recogniser overlooks, so only another one can tell whether a person came back.
public struct Judge: Sendable {
    /// What a picture looks like to the judge.
    public struct Verdict: Sendable, Hashable {
        public var hasFace: Bool
        /// Cosine with each reference, in their order; none without a recogniser or a face.
        public var cosines: [Float]
    }

    private let detector: FaceDetector
    private let recognizer: FaceRecognizer?
    private let gallery: Gallery

    /// Whether there is a recogniser, besides the detector.
    public var comparesFaces: Bool { recognizer != nil }

    /// Looks at the references.
    ///
    /// - Parameters:
    ///   - detector: Finds the five points by which crops are aligned.
    ///   - recognizer: An ONNX file; without one, the judge only says whether there is a face.
    ///   - references: Among these is chosen.
    /// - Throws: ``EvaluationError`` where the network does not fit, or naming the reference without a face.
    public init(
        detector: FaceDetector, recognizer path: String?, references: [EvaluationReference]
    ) throws(EvaluationError) {
        self.detector = detector
        let recognizer = try path.map { (path) throws(EvaluationError) in
            try evaluating(path) { try FaceRecognizer(network: try ONNXNetwork(file: path)) }
        }
        self.recognizer = recognizer
        var features: [[Float]] = []
        for reference in references {
            features.append(
                try evaluating(reference.name) {
                    guard let face = try Judge.face(in: reference.picture, detector) else {
                        throw EvaluationError.mismatched("no face found; leave this reference out")
                    }
                    return try recognizer.map { try Judge.feature(of: face, in: reference.picture, $0) } ?? []
                })
        }
        gallery = Gallery(features)
    }

    /// Looks at a picture.
    public func callAsFunction(_ picture: Picture) throws(EvaluationError) -> Verdict {
        try evaluating {
            guard let face = try Judge.face(in: picture, detector) else { return Verdict(hasFace: false, cosines: []) }
            guard let recognizer else { return Verdict(hasFace: true, cosines: []) }
            let feature = try Judge.feature(of: face, in: picture, recognizer)
            return Verdict(hasFace: true, cosines: gallery.cosines(with: feature))
        }
    }

    /// Cosine of the faces of two pictures, 0 where one has none; nil without a recogniser.
    public func likeness(_ a: Picture, _ b: Picture) throws(EvaluationError) -> Float? {
        guard let recognizer else { return nil }
        return try evaluating {
            guard let first = try Judge.face(in: a, detector), let second = try Judge.face(in: b, detector) else {
                return 0
            }
            let known = Gallery([try Judge.feature(of: first, in: a, recognizer)])
            return known.cosines(with: try Judge.feature(of: second, in: b, recognizer))[0]
        }
    }

    /// The most prominent face, where one is as sure as a reference's has to be.
    private static func face(in picture: Picture, _ detector: FaceDetector) throws -> Face? {
        do {
            return try detector.faces(
                in: try picture.tensor(), count: 1, floor: FaceDiscriminator.referenceFloor
            ).first
        } catch DiscriminatorError.tooFewFaces {
            return nil
        }
    }

    private static func feature(of face: Face, in picture: Picture, _ recognizer: FaceRecognizer) throws -> [Float] {
        try recognizer.embeddings(of: [face], in: Variable(try picture.tensor())).tensor.elements
    }
}
