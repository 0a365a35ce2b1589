import Generation
import Raster

/// The two pictures of a run, as they come: kept, examined and timed.
struct PicturePair {
    let plan: EvaluationPlan
    let item: EvaluationPlan.Item
    let examination: Examination
    let album: PictureAlbum
    private(set) var scores: [PictureScore] = []
    /// Seconds that went into keeping and examining, which are no part of making a picture.
    private(set) var overhead = 0.0

    /// Phases of a run that a picture without guidance needs.
    static let unguidedPhases: Set = ["prompt", "network", "decoder"]

    init(plan: EvaluationPlan, item: EvaluationPlan.Item, examination: Examination, album: PictureAlbum) {
        (self.plan, self.item) = (plan, item)
        (self.examination, self.album) = (examination, album)
    }

    /// Takes a run's latest picture in.
    mutating func add(
        _ picture: Picture, of run: GenerationRun, _ request: GenerationRequest, _ model: Model, isGuided: Bool,
        seconds: Double, operations: Double
    ) throws(EvaluationError) {
        let clock = ContinuousClock()
        let start = clock.now
        defer { overhead += (clock.now - start) / .seconds(1) }
        var metadata = PictureMetadata(of: run, request, model: model)
        if !isGuided { metadata["iterations"] = "0" }
        let file = try album.add(picture, item, of: plan, isGuided: isGuided, metadata: metadata)
        scores.append(
            try examination.score(
                picture,
                subject(
                    isGuided: isGuided, similarities: run.similarities, seconds: seconds, operations: operations,
                    file: file)))
    }

    /// Counts the pictures that could not be made as pictures without a face.
    mutating func lose(because failure: String, isGuided: Bool) {
        let missing = isGuided ? [false, true] : [false]
        for isGuided in missing.dropFirst(scores.count) {
            let lost = subject(isGuided: isGuided, similarities: [], seconds: 0, operations: 0, file: nil)
            scores.append(examination.score(lost: lost, because: failure))
        }
    }

    private func subject(
        isGuided: Bool, similarities: [Float], seconds: Double, operations: Double, file: String?
    ) -> Examination.Subject {
        Examination.Subject(
            plan: plan, item: item, isGuided: isGuided, similarities: similarities, seconds: seconds,
            operations: operations, file: file,
            unguided: isGuided ? scores.first?.asAsked : nil)
    }
}
