import CMessages
import CProtobufC

/// The kind of flow, which decides what the offsets d_k are added to.
public enum FlowKind: UInt32, Sendable, CaseIterable {
    /// x_{k+1} = y_k + d_k.
    case piecewise = 1
    /// Anchored to the first, unguided pass: x_{k+1} = a_k + d_k.
    case rectified = 2
}

/// Which branches of classifier-free guidance gradients go through.
public enum CFGGradient: UInt32, Sendable, CaseIterable {
    /// The prompt's and the negative prompt's: the exact derivative.
    case both = 1
    /// The prompt's alone, for both.
    case conditional = 2
}

/// A job: one picture to make.
///
/// Fields that are `nil` are left to the model or the worker.
public struct PersonalizeRequest: Sendable, Equatable {
    /// 1 to 4.
    public var references: [Reference]
    /// 1 to 4000 bytes.
    public var prompt: String
    /// At most 4000 bytes.
    public var negativePrompt = ""
    /// Name of the model; `nil` for the worker's default.
    public var modelID: String?
    /// Seed of the initial noise; `nil` for ``seed(forJob:)``.
    public var seed: UInt64?
    /// In pixels, 16 to 4096, multiples of 8; width and height both or neither.
    public var width: Int?
    public var height: Int?
    /// 1 to 100.
    public var steps: Int?
    /// Guidance iterations, 0 to 1000; 0 gives the unguided picture.
    public var iterations: Int?
    /// Learning rate, greater than 0, at most 1000.
    public var rate: Float?
    public var gain: Gain?
    /// Classifier-free guidance scale, greater than 0, at most 50; 1 is none.
    public var cfgScale: Float?
    public var flow: FlowKind?
    /// Similarity at which the guidance ends, greater than 0, at most 1; `nil` to run all iterations.
    public var stopAtSimilarity: Float?
    /// Steps, counted from the last, that gradients go back through, 1 to 100; `nil` for all.
    public var gradientDepth: Int?
    /// Steps of these at which gradients go through the network, 0 to the gradient depth; `nil` for all of them.
    public var jacobianDepth: Int?
    public var cfgGradient: CFGGradient?
    /// Passes in a row without a gain of similarity after which the guidance ends, 1 to 1000; `nil` for never.
    public var plateauPatience: Int?
    /// What a gain has to exceed, above 0, at most 1, with ``plateauPatience`` only; `nil` for 0.
    public var plateauTolerance: Float?
    public var output = OutputFormat.jpeg()
    /// Iterations between progress events, 1 to 1000; `nil` for none.
    public var progressInterval: Int?
    /// Iterations between previews, 1 to 1000; `nil` for none.
    public var previewInterval: Int?
    /// Where an interrupted job goes on; set by workers.
    public var resume: ResumeState?
    /// Key in the shared store of a state that is too large for the message, instead of ``resume``; set by workers.
    public var resumeKey: String?

    public init(references: [Reference], prompt: String) {
        self.references = references
        self.prompt = prompt
    }

    /// The ranges that ``validate()`` accepts.
    public enum Allowed {
        public static let references = 1...4
        public static let promptBytes = 1...4000
        /// Width and height in pixels, multiples of ``sideMultiple``.
        public static let side = 16...4096
        public static let sideMultiple = 8
        public static let steps = 1...100
        public static let iterations = 0...1000
        public static let interval = 1...1000
        public static let patience = 1...1000
        /// Upper bounds of numbers that are greater than 0.
        public static let maximumRate: Float = 1000
        public static let maximumCFGScale: Float = 50
    }

    /// The seed of a job whose request sets none: the same for every attempt of the job.
    ///
    /// FNV-1a of the job id, folded to 32 bits so that any language can hold it exactly.
    public static func seed(forJob jobID: String) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in jobID.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return (hash ^ (hash >> 32)) & 0xFFFF_FFFF
    }
}

extension PersonalizeRequest: WireMessage {
    public static let typeName = "rectifid.v1.PersonalizeRequest"

    public func encode() -> [UInt8] { pack(self) }

    public static func decode(_ bytes: [UInt8], limits: MessageLimits) throws(MessageError) -> PersonalizeRequest {
        try decodeAndValidate(bytes, limits: limits)
    }

    public func validate() throws(MessageError) {
        let request = FieldPath("")
        try request.child("references").check(count: references.count, in: Allowed.references, of: "pictures")
        for (index, reference) in references.enumerated() {
            try reference.validate(at: request.child("references")[index])
        }
        try request.child("prompt").check(prompt, bytes: Allowed.promptBytes)
        try request.child("negative_prompt").check(negativePrompt, bytes: 0...Allowed.promptBytes.upperBound)
        if let modelID { try request.child("model_id").check(modelID, bytes: 1...200) }
        try validateSize()
        if let steps { try request.child("steps").check(steps, in: Allowed.steps) }
        if let iterations { try request.child("iterations").check(iterations, in: Allowed.iterations) }
        if let rate { try request.child("rate").check(rate, aboveZeroTo: Allowed.maximumRate) }
        try gain?.validate(at: request.child("gain"), steps: steps)
        if let cfgScale { try request.child("cfg_scale").check(cfgScale, aboveZeroTo: Allowed.maximumCFGScale) }
        if let stopAtSimilarity {
            try request.child("stop_at_similarity").check(stopAtSimilarity, aboveZeroTo: 1)
        }
        try validateEffort(at: request)
        try output.validate(at: request.child("output"))
        if let progressInterval {
            try request.child("progress_interval").check(progressInterval, in: Allowed.interval)
        }
        if let previewInterval { try request.child("preview_interval").check(previewInterval, in: Allowed.interval) }
        try resume?.validate(at: request.child("resume"), steps: steps, iterations: iterations)
        if let resumeKey {
            try Reference.validate(key: resumeKey, at: request.child("resume_key"))
            try request.child("resume_key").require(resume == nil, "is set beside resume", allowed: "one of the two")
        }
    }

    private func validateEffort(at request: FieldPath) throws(MessageError) {
        if let gradientDepth { try request.child("gradient_depth").check(gradientDepth, in: Allowed.steps) }
        if let jacobianDepth {
            let depth = gradientDepth ?? Allowed.steps.upperBound
            try request.child("jacobian_depth").check(jacobianDepth, in: 0...depth)
        }
        if let plateauPatience { try request.child("plateau_patience").check(plateauPatience, in: Allowed.patience) }
        if let plateauTolerance {
            let field = request.child("plateau_tolerance")
            try field.check(plateauTolerance, aboveZeroTo: 1)
            try field.require(plateauPatience != nil, "is set alone", allowed: "with plateau_patience only")
        }
    }

    private func validateSize() throws(MessageError) {
        for (name, side) in [("width", width), ("height", height)] {
            let field = FieldPath(name)
            guard let side else {
                try field.require(width == nil && height == nil, "is not set", allowed: "width and height, or neither")
                continue
            }
            try field.check(side, in: Allowed.side, unit: " pixels")
            try field.require(
                side % Allowed.sideMultiple == 0, "is \(side) pixels", allowed: "multiples of \(Allowed.sideMultiple)")
        }
    }
}
