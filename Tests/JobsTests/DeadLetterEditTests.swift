import Jobs
import Messages
import Testing

struct DeadLetterEditTests {
    @Test(arguments: [
        ("prompt", "a statue, at night = dark"), ("negative_prompt", "blur"), ("model_id", "sd21"),
        ("seed", "18446744073709551615"),
        ("steps", "8"), ("iterations", "0"), ("rate", "2.5"), ("gain", "published"), ("cfg_scale", "4.5"),
        ("flow", "rectified"), ("stop_at_similarity", "0.75"), ("gradient_depth", "2"), ("jacobian_depth", "0"),
        ("cfg_gradient", "conditional"), ("plateau_patience", "5"),
        ("progress_interval", "5"), ("preview_interval", "10"),
        ("output.format", "jpeg"), ("references[0].label", "a corgi"), ("references[0].subject", "live-subject"),
    ])
    func aFieldTakesItsValueAndGivesItBack(field: String, value: String) throws {
        let original = try Sample.request()
        let (request, changes) = try DeadLetterEdit(["\(field)=\(value)"]).apply(to: original)
        #expect(changes.map(\.field) == [field] && changes[0].after == value && request != original)
        // What a worker reads is what was shown.
        let read = try PersonalizeRequest.decode(request.encode())
        let back = try DeadLetterEdit(["\(field)=\(changes[0].before)"]).apply(to: read)
        #expect(back.request == original && back.changes[0].before == value)
    }

    @Test func anEmptyValueTakesAFieldBack() throws {
        let (request, changes) = try DeadLetterEdit(["seed=", "iterations="]).apply(to: Sample.request())
        #expect(request.seed == nil && request.iterations == nil)
        #expect(changes.map(\.before) == ["7", "4"] && changes.map(\.after) == ["", ""])
    }

    @Test func sizesGainsAndFormatsAreSetTogether() throws {
        let edit = try DeadLetterEdit([
            "width=512", "height=768", "steps=2", "gain=0.5,1", "output.format=jpeg", "output.quality=80",
            "output.chroma=full",
        ])
        let request = try edit.apply(to: Sample.request()).request
        #expect(request.width == 512 && request.height == 768 && request.gain == .perStep([0.5, 1]))
        #expect(request.output == .jpeg(quality: 80, chroma: .full))
    }

    @Test(arguments: [
        ("seed=-1", "seed"), ("seed=x", "seed"), ("steps=101", "steps"), ("width=512", "height"), ("rate=nan", "rate"),
        ("flow=round", "flow"), ("gain=much", "gain"), ("output.quality=80", "output.quality"),
        ("references[4].label=x", "references[4].label"), ("references[0].subject=ghost", "references[0].subject"),
        ("prompt=", "prompt"), ("cfg_scale=1e9", "cfg_scale"),
        ("gradient_depth=0.5", "gradient_depth"), ("cfg_gradient=none", "cfg_gradient"),
        ("plateau_tolerance=0.1", "plateau_tolerance"),
    ])
    func aValueThatAWorkerWouldRefuseIsRefusedByName(text: String, field: String) throws {
        let edit = try DeadLetterEdit([text])
        let error = #expect(throws: MessageError.self) { try edit.apply(to: Sample.request()) }
        #expect(error?.field == field)
    }

    @Test(arguments: [
        "seed", "=5", "resume=1", "references[].label=x", "references[-1].label=x", "references[0].image=x",
        "references[99999999999999999999].label=x", "references=x", "références[0].label=x",
    ])
    func whatIsNoFieldIsRefused(text: String) {
        #expect(throws: MessageError.self) { try DeadLetterEdit([text]) }
    }

    @Test func aStateToGoOnFromBelongsToTheRequestAsItWas() throws {
        var request = try Sample.request()
        request.resume = ResumeState(
            nextIteration: 0, offsets: [], losses: [], similarities: [], seed: 7,
            modelHash: ScriptedPersonalizer.hash)
        let (edited, changes) = try DeadLetterEdit(["prompt=x"]).apply(to: request)
        #expect(edited.resume == nil && changes.map(\.field) == ["prompt", "resume"])
    }
}
