import Jobs
import Messages
import Raster
import RectifIDClient
import Synchronization

/// Makes grey pictures at once, and finds them a bit more alike with each pass.
final class InstantPersonalizer: Personalizer {
    let models = [
        ModelDescription(
            id: "instant", hash: String(repeating: "ab", count: 32), flow: .piecewise, width: 16, height: 16, steps: 1,
            iterations: 2, cfgScale: 1)
    ]
    let subjects: [Subject] = [.person]
    let device = "nothing"
    private let onPass: @Sendable (Int) throws(Status) -> Void

    /// - Parameter onPass: Called on the job's thread before each pass; may block or fail.
    init(onPass: @escaping @Sendable (Int) throws(Status) -> Void = { (_) throws(Status) in }) {
        self.onPass = onPass
    }

    func begin(_ job: PersonalizationJob, resuming state: ResumeState?) throws(Status) -> any PersonalizationRun {
        InstantRun(
            iterations: job.request.iterations ?? 2, completedIterations: state?.nextIteration ?? 0, onPass: onPass)
    }
}

private struct InstantRun: PersonalizationRun {
    let modelID = "instant"
    let modelHash = String(repeating: "ab", count: 32)
    let iterations: Int
    var completedIterations: Int
    var losses: [Float] = []
    var similarities: [Float] = []
    let metadata: PictureMetadata = [:]
    let timings = [Timing(phase: "network", seconds: 1.5, count: 3)]
    let onPass: @Sendable (Int) throws(Status) -> Void

    mutating func next() throws(Status) -> PersonalizationPass? {
        let iteration = completedIterations
        try onPass(iteration)
        let similarity = min(0.125 + 0.25 * Float(iteration), 1)
        if iteration < iterations {
            completedIterations += 1
            losses.append(100 * (1 - similarity))
            similarities.append(similarity)
        }
        return PersonalizationPass(
            iteration: iteration, isLast: iteration == iterations, loss: 100 * (1 - similarity), similarity: similarity
        ) { () throws(Status) in
            do { return try Picture(width: 16, height: 16, fill: (red: 9, green: 9, blue: 9)) } catch {
                throw Status(.internal, "\(error)")
            }
        }
    }

    func guidanceTensors() throws(Status) -> (offsets: [WireTensor], anchors: [WireTensor]) {
        do { return ([try WireTensor(shape: [1], values: [0.5])], []) } catch { throw Status(.internal, "\(error)") }
    }
}
