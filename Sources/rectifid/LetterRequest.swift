import Foundation
import Messages

/// What a job asked for, named as in proto3's JSON; what the client left out is left out.
struct RequestDocument: Encodable {
    struct Reference: Encodable {
        let subject, label: String
        let bytes: Int?
        let key: String?
        /// Base64.
        let image: String?
    }
    struct Output: Encodable {
        let format: String
        let quality: Int?
        let chroma: String?
    }

    let references: [Reference]
    let prompt: String
    let negativePrompt, modelId, gain, flow, cfgGradient: String?
    let seed: UInt64?
    let width, height, steps, iterations, progressInterval, previewInterval, resumeIteration: Int?
    let gradientDepth, jacobianDepth, plateauPatience: Int?
    let rate, cfgScale, stopAtSimilarity, plateauTolerance: Float?
    let output: Output

    init(_ request: PersonalizeRequest, withPictures: Bool) {
        references = request.references.map { Reference($0, withPicture: withPictures) }
        prompt = request.prompt
        negativePrompt = request.negativePrompt.isEmpty ? nil : request.negativePrompt
        (modelId, seed) = (request.modelID, request.seed)
        (width, height, steps) = (request.width, request.height, request.steps)
        (iterations, rate, cfgScale) = (request.iterations, request.rate, request.cfgScale)
        gain = request.gain.map { "\($0)" }
        flow = request.flow.map { "\($0)" }
        stopAtSimilarity = request.stopAtSimilarity
        (gradientDepth, jacobianDepth) = (request.gradientDepth, request.jacobianDepth)
        cfgGradient = request.cfgGradient.map { "\($0)" }
        (plateauPatience, plateauTolerance) = (request.plateauPatience, request.plateauTolerance)
        (progressInterval, previewInterval) = (request.progressInterval, request.previewInterval)
        resumeIteration = request.resume?.nextIteration
        output =
            switch request.output {
            case .png: Output(format: "png", quality: nil, chroma: nil)
            case .jpeg(let quality, let chroma): Output(format: "jpeg", quality: quality, chroma: "\(chroma)")
            }
    }

    /// For people.
    var lines: [(String, String)] {
        var lines: [(String, String)] = references.enumerated().map { index, reference in
            let picture = reference.key.map { "key \($0)" } ?? ByteCount(reference.bytes ?? 0).description
            let label = reference.label.isEmpty ? "" : ", '\(reference.label)'"
            return ("references[\(index)]", "\(reference.subject), \(picture)\(label)")
        }
        let values: [(String, (any CustomStringConvertible)?)] = [
            ("prompt", prompt), ("negative_prompt", negativePrompt), ("model_id", modelId), ("seed", seed),
            ("width", width), ("height", height), ("steps", steps), ("iterations", iterations), ("rate", rate),
            ("gain", gain), ("cfg_scale", cfgScale), ("flow", flow), ("stop_at_similarity", stopAtSimilarity),
            ("gradient_depth", gradientDepth), ("jacobian_depth", jacobianDepth), ("cfg_gradient", cfgGradient),
            ("plateau_patience", plateauPatience), ("plateau_tolerance", plateauTolerance),
            ("output.format", output.format), ("output.quality", output.quality), ("output.chroma", output.chroma),
            ("progress_interval", progressInterval), ("preview_interval", previewInterval),
            ("resume at iteration", resumeIteration),
        ]
        for case (let name, let value?) in values { lines.append((name, value.description)) }
        return lines
    }
}

extension RequestDocument.Reference {
    init(_ reference: Messages.Reference, withPicture: Bool) {
        subject = "\(reference.subject)"
        label = reference.label
        switch reference.picture {
        case .image(let file):
            (bytes, key) = (file.count, nil)
            image = withPicture ? Data(file).base64EncodedString() : nil
        case .key(let name): (bytes, key, image) = (nil, name, nil)
        }
    }
}
