import CMessages
import CProtobufC

extension PersonalizeRequest: Packable {
    static let messageName = "PersonalizeRequest"
    static var emptyCForm: Rectifid__V1__PersonalizeRequest { empty(rectifid__v1__personalize_request__init) }

    init(_ c: Rectifid__V1__PersonalizeRequest, at field: FieldPath) throws(MessageError) {
        // Before conversion: a converted reference is larger than the two bytes it takes to claim one.
        try field.child("references").check(count: c.n_references, in: Allowed.references, of: "pictures")
        self.init(
            references: try field.child("references").messages(c.references, c.n_references),
            prompt: try c.prompt.text(at: field.child("prompt")))
        negativePrompt = try c.negative_prompt.text(at: field.child("negative_prompt"))
        modelID = try c.model_id.textIfAny(at: field.child("model_id"))
        if c.seed_choice_case == RECTIFID__V1__PERSONALIZE_REQUEST__SEED_CHOICE_SEED { seed = c.seed }
        width = Int.ifSet(c.width)
        height = Int.ifSet(c.height)
        steps = Int.ifSet(c.steps)
        if c.iterations_choice_case == RECTIFID__V1__PERSONALIZE_REQUEST__ITERATIONS_CHOICE_ITERATIONS {
            iterations = Int(c.iterations)
        }
        rate = Float.ifSet(c.rate)
        gain = try Gain.chosen(c.gain, at: field.child("gain"))
        cfgScale = Float.ifSet(c.cfg_scale)
        flow = try field.child("flow").choice(c.flow.rawValue)
        stopAtSimilarity = Float.ifSet(c.stop_at_similarity)
        output = try field.child("output").message(c.output) ?? .jpeg()
        progressInterval = Int.ifSet(c.progress_interval)
        previewInterval = Int.ifSet(c.preview_interval)
        resume = try field.child("resume").message(c.resume)
        gradientDepth = Int.ifSet(c.gradient_depth)
        if c.jacobian_depth_choice_case == RECTIFID__V1__PERSONALIZE_REQUEST__JACOBIAN_DEPTH_CHOICE_JACOBIAN_DEPTH {
            jacobianDepth = Int(c.jacobian_depth)
        }
        cfgGradient = try field.child("cfg_gradient").choice(c.cfg_gradient.rawValue)
        plateauPatience = Int.ifSet(c.plateau_patience)
        plateauTolerance = Float.ifSet(c.plateau_tolerance)
        resumeKey = try c.resume_key.textIfAny(at: field.child("resume_key"))
    }

    func cForm(in arena: CArena) -> Rectifid__V1__PersonalizeRequest {
        var c = Self.emptyCForm
        c.n_references = references.count
        c.references = arena.array(references)
        c.prompt = arena.text(prompt)
        c.negative_prompt = arena.text(negativePrompt)
        c.model_id = arena.text(modelID ?? "")
        if let seed {
            c.seed = seed
            c.seed_choice_case = RECTIFID__V1__PERSONALIZE_REQUEST__SEED_CHOICE_SEED
        }
        c.width = UInt32(wire: width)
        c.height = UInt32(wire: height)
        c.steps = UInt32(wire: steps)
        if let iterations {
            c.iterations = UInt32(wire: iterations)
            c.iterations_choice_case = RECTIFID__V1__PERSONALIZE_REQUEST__ITERATIONS_CHOICE_ITERATIONS
        }
        c.rate = rate ?? 0
        c.gain = gain.map { arena.place($0) }
        c.cfg_scale = cfgScale ?? 0
        c.flow = Rectifid__V1__Flow(rawValue: flow?.rawValue ?? 0)
        c.stop_at_similarity = stopAtSimilarity ?? 0
        c.output = output == .jpeg() ? nil : arena.place(output)
        c.progress_interval = UInt32(wire: progressInterval)
        c.preview_interval = UInt32(wire: previewInterval)
        c.resume = resume.map { arena.place($0) }
        c.gradient_depth = UInt32(wire: gradientDepth)
        if let jacobianDepth {
            c.jacobian_depth = UInt32(wire: jacobianDepth)
            c.jacobian_depth_choice_case =
                RECTIFID__V1__PERSONALIZE_REQUEST__JACOBIAN_DEPTH_CHOICE_JACOBIAN_DEPTH
        }
        c.cfg_gradient = Rectifid__V1__CfgGradient(rawValue: cfgGradient?.rawValue ?? 0)
        c.plateau_patience = UInt32(wire: plateauPatience)
        c.plateau_tolerance = plateauTolerance ?? 0
        c.resume_key = arena.text(resumeKey ?? "")
        return c
    }
}
