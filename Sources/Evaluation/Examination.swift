import Generation
import Raster

/// Judge and scene classifier, looking at one picture after the other.
public struct Examination: Sendable {
    public let judge: Judge
    public let scenes: SceneReader?

    public init(judge: Judge, scenes: SceneReader?) {
        self.judge = judge
        self.scenes = scenes
    }

    /// A picture on its way into the report.
    struct Subject {
        let plan: EvaluationPlan
        let item: EvaluationPlan.Item
        let isGuided: Bool
        /// Similarity of every pass up to this one.
        let similarities: [Float]
        let seconds: Double
        /// Multiplications and additions of the run so far.
        let operations: Double
        let file: String?
        /// What the unguided picture has right; nil of itself.
        let unguided: [String: Bool]?
    }

    /// Scores a picture.
    func score(_ picture: Picture, _ subject: Subject) throws(EvaluationError) -> PictureScore {
        let verdict = try judge(picture)
        let read = try scenes.map { (reader) throws(EvaluationError) in try reader(picture) } ?? [:]
        return score(subject, verdict: verdict, read: read, failure: nil)
    }

    /// Scores a picture that could not be made, because nothing like a face was left to guide.
    func score(lost subject: Subject, because failure: String) -> PictureScore {
        // What no picture shows is not what was asked.
        let unread = Dictionary(uniqueKeysWithValues: (scenes?.vocabulary.attributes ?? []).map { ($0, "") })
        return score(subject, verdict: .init(hasFace: false, cosines: []), read: unread, failure: failure)
    }

    private func score(
        _ subject: Subject, verdict: Judge.Verdict, read: [String: String], failure: String?
    ) -> PictureScore {
        let (plan, item) = (subject.plan, subject.item)
        let prompt = plan.prompts.prompts[item.prompt]
        let asAsked = PictureScore.compare(read, with: prompt.asked)
        let choice = Gallery.choice(among: verdict.cosines)
        let passes = subject.similarities
        let isMade = subject.isGuided && failure == nil
        let best = passes.indices.max { (passes[$0], -$0) < (passes[$1], -$1) } ?? 0
        return PictureScore(
            reference: plan.references[item.person].name, prompt: prompt.text, seed: plan.seeds[item.seed],
            isGuided: subject.isGuided, own: failure == nil ? passes.last ?? 0 : 0,
            best: passes.indices.contains(best) ? passes[best] : 0, bestIteration: best,
            judge: judge.comparesFaces ? (verdict.cosines.isEmpty ? 0 : verdict.cosines[item.person]) : nil,
            choice: choice.map { plan.references[$0].name },
            isFirstChoice: judge.comparesFaces ? choice == item.person : nil, hasFace: verdict.hasFace,
            read: failure == nil ? read : [:], asAsked: asAsked,
            kept: subject.unguided.map { PictureScore.kept(asAsked, of: $0) },
            iterations: isMade ? passes.count - 1 : nil, operations: isMade ? subject.operations : nil,
            seconds: subject.seconds, file: subject.file, failure: failure)
    }
}
