import Messages

/// A field of a request that can be written as text.
struct RequestField {
    let name: String
    private let index: Int?
    private let member: String

    static let names =
        readers.keys.sorted() + ["references[N].label", "references[N].subject"]

    /// - Parameter name: As in the `.proto` file; nil for one that cannot be edited.
    init?(_ name: String) {
        self.name = name
        if Self.readers[name] != nil {
            (index, member) = (nil, name)
            return
        }
        guard name.hasPrefix("references["), let close = name.firstIndex(of: "]"),
            let index = Int(name[name.index(name.startIndex, offsetBy: 11)..<close]), index >= 0
        else { return nil }
        switch name[close...] {
        case "].label": member = "label"
        case "].subject": member = "subject"
        default: return nil
        }
        self.index = index
    }

    /// The value; empty where it is not set.
    func text(in request: PersonalizeRequest) -> String {
        guard let index else { return Self.readers[member]?(request) ?? "" }
        guard request.references.indices.contains(index) else { return "" }
        let reference = request.references[index]
        return member == "label" ? reference.label : Self.name(of: reference.subject)
    }

    func set(_ text: String, in request: inout PersonalizeRequest) throws(MessageError) {
        guard let index else { return try setScalar(text, in: &request) }
        guard request.references.indices.contains(index) else {
            throw problem("does not exist", allowed: "references[0] to [\(request.references.count - 1)]")
        }
        if member == "label" {
            request.references[index].label = text
            return
        }
        guard let subject = Subject.allCases.first(where: { Self.name(of: $0) == text }) else {
            throw problem(
                "is '\(text.prefix(40))'", allowed: Subject.allCases.map(Self.name).joined(separator: ", "))
        }
        request.references[index].subject = subject
    }

    private static let readers: [String: @Sendable (PersonalizeRequest) -> String] = [
        "prompt": { $0.prompt }, "negative_prompt": { $0.negativePrompt }, "model_id": { $0.modelID ?? "" },
        "seed": { $0.seed?.description ?? "" }, "width": { $0.width?.description ?? "" },
        "height": { $0.height?.description ?? "" }, "steps": { $0.steps?.description ?? "" },
        "iterations": { $0.iterations?.description ?? "" }, "rate": { $0.rate?.description ?? "" },
        "gain": { $0.gain.map(Self.name) ?? "" }, "cfg_scale": { $0.cfgScale?.description ?? "" },
        "flow": { $0.flow.map { "\($0)" } ?? "" },
        "stop_at_similarity": { $0.stopAtSimilarity?.description ?? "" },
        "gradient_depth": { $0.gradientDepth?.description ?? "" },
        "jacobian_depth": { $0.jacobianDepth?.description ?? "" },
        "cfg_gradient": { $0.cfgGradient.map { "\($0)" } ?? "" },
        "plateau_patience": { $0.plateauPatience?.description ?? "" },
        "plateau_tolerance": { $0.plateauTolerance?.description ?? "" },
        "progress_interval": { $0.progressInterval?.description ?? "" },
        "preview_interval": { $0.previewInterval?.description ?? "" },
        "output.format": { "\($0.output.format)" }, "output.quality": { $0.output.quality?.description ?? "" },
        "output.chroma": { $0.output.chroma.map { "\($0)" } ?? "" },
    ]

    private func setScalar(_ text: String, in request: inout PersonalizeRequest) throws(MessageError) {
        switch member {
        case "prompt": request.prompt = text
        case "negative_prompt": request.negativePrompt = text
        case "model_id": request.modelID = text.isEmpty ? nil : text
        case "seed": request.seed = try number(text, "a whole number, 0 to \(UInt64.max)")
        case "width": request.width = try number(text)
        case "height": request.height = try number(text)
        case "steps": request.steps = try number(text)
        case "iterations": request.iterations = try number(text)
        case "rate": request.rate = try number(text, "a number")
        case "gain": request.gain = try gain(text)
        case "cfg_scale": request.cfgScale = try number(text, "a number")
        case "flow": request.flow = try choice(text)
        case "stop_at_similarity": request.stopAtSimilarity = try number(text, "a number")
        case "gradient_depth": request.gradientDepth = try number(text)
        case "jacobian_depth": request.jacobianDepth = try number(text)
        case "cfg_gradient": request.cfgGradient = try choice(text)
        case "plateau_patience": request.plateauPatience = try number(text)
        case "plateau_tolerance": request.plateauTolerance = try number(text, "a number")
        case "progress_interval": request.progressInterval = try number(text)
        case "preview_interval": request.previewInterval = try number(text)
        default: try setOutput(text, of: &request.output)
        }
    }

    private func setOutput(_ text: String, of output: inout OutputFormat) throws(MessageError) {
        switch member {
        case "output.format":
            let format: ImageFormat = try choice(text) ?? .jpeg
            if format != output.format { output = format == .png ? .png : .jpeg() }
        default:
            guard case .jpeg(let quality, let chroma) = output else {
                throw problem("cannot be set", allowed: "with output.format=jpeg only")
            }
            output =
                member == "output.quality"
                ? .jpeg(quality: try number(text) ?? 95, chroma: chroma)
                : .jpeg(quality: quality, chroma: try choice(text) ?? .half)
        }
    }

    private func number<Value: LosslessStringConvertible>(
        _ text: String, _ allowed: String = "a whole number"
    ) throws(MessageError) -> Value? {
        guard !text.isEmpty else { return nil }
        guard let value = Value(text) else { throw problem("is '\(text.prefix(40))'", allowed: allowed) }
        return value
    }

    private func choice<Value: CaseIterable>(_ text: String) throws(MessageError) -> Value? {
        guard !text.isEmpty else { return nil }
        guard let value = Value.allCases.first(where: { "\($0)" == text }) else {
            throw problem(
                "is '\(text.prefix(40))'", allowed: Value.allCases.map { "\($0)" }.joined(separator: ", "))
        }
        return value
    }

    private func gain(_ text: String) throws(MessageError) -> Gain? {
        switch text {
        case "": return nil
        case "derived": return .derived
        case "published": return .published
        default:
            var values: [Float] = []
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                guard let value = Float(part) else {
                    throw problem("is '\(text.prefix(40))'", allowed: "derived, published, a number, or one per step")
                }
                values.append(value)
            }
            return values.count == 1 ? .constant(values[0]) : .perStep(values)
        }
    }

    private func problem(_ problem: String, allowed: String) -> MessageError {
        MessageError(kind: .invalidField, field: name, problem: problem, allowed: allowed)
    }

    private static func name(_ gain: Gain) -> String {
        switch gain {
        case .derived: "derived"
        case .published: "published"
        case .constant(let value): "\(value)"
        case .perStep(let values): values.map { "\($0)" }.joined(separator: ",")
        }
    }

    /// As the command line has it.
    private static func name(of subject: Subject) -> String {
        switch subject {
        case .person: "person"
        case .liveSubject: "live-subject"
        case .object: "object"
        case .custom: "custom"
        }
    }
}

extension OutputFormat {
    fileprivate var quality: Int? {
        if case .jpeg(let quality, _) = self { quality } else { nil }
    }

    fileprivate var chroma: ChromaSampling? {
        if case .jpeg(_, let chroma) = self { chroma } else { nil }
    }
}
