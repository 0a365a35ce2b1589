import Foundation
public import Generation
import Raster
import Synchronization
import Tensors

/// Makes and scores the pictures of a plan, several at once.
///
/// The unguided picture is the first pass of the guided run: the same noise and prompt, before any offset.
public struct EvaluationRun: Sendable {
    private let model: Model
    private let plan: EvaluationPlan
    private let examination: Examination
    private let album: PictureAlbum

    public init(model: Model, plan: EvaluationPlan, examination: Examination, album: PictureAlbum) {
        self.model = model
        self.plan = plan
        self.examination = examination
        self.album = album
    }

    /// Where the work stands.
    public struct Progress: Sendable {
        /// Pairs of pictures, unguided and guided.
        public let done, total: Int
        /// What the latest pair came to.
        public let scores: [PictureScore]
    }

    /// Makes the pictures.
    ///
    /// Cancelling the calling task ends it after the passes in hand, with what is complete by then.
    ///
    /// - Parameters:
    ///   - pictures: How many at once, each with its share of the cores.
    ///   - report: Called after every pair, on the thread that made it.
    /// - Returns: Scores in the plan's order.
    /// - Throws: ``EvaluationError`` of the first picture that fails for another reason than a lost face.
    public func callAsFunction(
        atOnce pictures: Int, report: @escaping @Sendable (Progress) -> Void
    ) async throws(EvaluationError) -> [PictureScore] {
        let work = EvaluationWork(plan.items)
        let threads = max(1, CPU.shared.cores / max(1, pictures))
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                for number in 0..<max(1, min(pictures, work.total)) {
                    group.addTask {
                        await onThread("picture \(number)") {
                            CPU.$threadLimit.withValue(threads) { drain(work, report) }
                        }
                    }
                }
            }
        } onCancel: {
            work.stop()
        }
        return try work.scores()
    }

    /// Passes block for long, so they stay off Swift's cooperative pool, which has one thread per core.
    private func onThread(_ name: String, _ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            let thread = Thread {
                body()
                continuation.resume()
            }
            thread.name = name
            // C libraries below the networks use the stack freely.
            thread.stackSize = 16 << 20
            thread.start()
        }
    }

    private func drain(_ work: EvaluationWork, _ report: (Progress) -> Void) {
        while let (index, item) = work.next() {
            do throws(EvaluationError) {
                guard let scores = try scores(of: item, unless: { work.isStopped }) else { return }
                report(Progress(done: work.finish(index, scores), total: work.total, scores: scores))
            } catch {
                work.fail(error)
            }
        }
    }

    /// Both pictures of an item; nil where stopped on the way.
    private func scores(
        of item: EvaluationPlan.Item, unless isStopped: () -> Bool
    ) throws(EvaluationError) -> [PictureScore]? {
        let request = plan.request(item)
        var pair = PicturePair(plan: plan, item: item, examination: examination, album: album)
        do {
            let clock = ContinuousClock()
            let start = clock.now
            // Judging is not part of making a picture, so that only the model's own work is counted.
            let profile = OperationProfile()
            var run = try CPU.$profile.withValue(profile) { try model.begin(request) }
            while let pass = try CPU.$profile.withValue(profile, operation: { try run.next() }) {
                if isStopped() { return nil }
                if pass.iteration == 0 {
                    let seconds = run.timings.filter { PicturePair.unguidedPhases.contains($0.phase) }
                        .reduce(0) { $0 + $1.seconds }
                    try pair.add(
                        try pass.picture(), of: run, request, model, isGuided: false, seconds: seconds,
                        operations: profile.operations)
                }
                if pass.isLast, pass.iterations > 0 {
                    let seconds = (clock.now - start) / .seconds(1) - pair.overhead
                    try pair.add(
                        try pass.picture(), of: run, request, model, isGuided: true, seconds: seconds,
                        operations: profile.operations)
                }
            }
        } catch let error as GenerationError where error.kind == .lostSubject {
            pair.lose(because: error.message, isGuided: request.iterations ?? model.defaults.iterations > 0)
        } catch {
            try evaluating(plan.references[item.person].name) { throw error }
        }
        return pair.scores
    }
}

/// What the threads of an evaluation share: items to take, scores to leave.
private final class EvaluationWork: Sendable {
    private struct Contents {
        var next = 0
        var isStopped = false
        var scores: [Int: [PictureScore]] = [:]
        var failure: EvaluationError?
    }

    private let items: [EvaluationPlan.Item]
    private let contents = Mutex(Contents())

    init(_ items: [EvaluationPlan.Item]) { self.items = items }

    var total: Int { items.count }
    var isStopped: Bool { contents.withLock { $0.isStopped } }

    func next() -> (index: Int, item: EvaluationPlan.Item)? {
        contents.withLock { contents in
            guard !contents.isStopped, contents.next < items.count else { return nil }
            defer { contents.next += 1 }
            return (contents.next, items[contents.next])
        }
    }

    /// - Returns: How many are done.
    func finish(_ index: Int, _ scores: [PictureScore]) -> Int {
        contents.withLock { contents in
            contents.scores[index] = scores
            return contents.scores.count
        }
    }

    func stop() { contents.withLock { $0.isStopped = true } }

    func fail(_ error: EvaluationError) {
        contents.withLock { contents in
            contents.failure = contents.failure ?? error
            contents.isStopped = true
        }
    }

    func scores() throws(EvaluationError) -> [PictureScore] {
        let (scores, failure) = contents.withLock { ($0.scores, $0.failure) }
        if let failure { throw failure }
        return scores.sorted { $0.key < $1.key }.flatMap(\.value)
    }
}
