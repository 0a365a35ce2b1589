import Broker
import Jobs
import Messages
import Raster
import Synchronization

/// Makes pictures by arithmetic that depends on everything a resumed job must restore.
final class ScriptedPersonalizer: Personalizer {
    static let hash = String(repeating: "0123456789abcdef", count: 4)

    let models: [ModelDescription]
    let subjects: [Subject] = [.person]
    let device = "arithmetic"
    private let onBegin: @Sendable (PersonalizationJob) throws(Status) -> Void
    private let onPass: @Sendable (Int) throws(Status) -> Void
    private let begun = Mutex(0)
    private let side: Int

    /// - Parameters:
    ///   - onBegin: Called for each job; may refuse it.
    ///   - side: Width and height of its pictures.
    ///   - onPass: Called on the job's thread before each pass with its number; may block or fail.
    init(
        hash: String = ScriptedPersonalizer.hash, side: Int = 16,
        onBegin: @escaping @Sendable (PersonalizationJob) throws(Status) -> Void = { (_) throws(Status) in },
        onPass: @escaping @Sendable (Int) throws(Status) -> Void = { (_) throws(Status) in }
    ) {
        models = [
            ModelDescription(
                id: "scripted", hash: hash, flow: .piecewise, width: 16, height: 16, steps: 2, iterations: 4,
                cfgScale: 1)
        ]
        self.side = side
        self.onBegin = onBegin
        self.onPass = onPass
    }

    /// How many jobs were begun.
    var beginnings: Int { begun.withLock { $0 } }

    func begin(_ job: PersonalizationJob, resuming state: ResumeState?) throws(Status) -> any PersonalizationRun {
        begun.withLock { $0 += 1 }
        if let id = job.request.modelID, id != models[0].id {
            throw Status(.notFound, "no model '\(id)'", details: [.resourceInfo(type: "model", name: id)])
        }
        try onBegin(job)
        return ScriptedRun(job: job, modelHash: models[0].hash, state: state, side: side, onPass: onPass)
    }
}

struct ScriptedRun: PersonalizationRun {
    let modelID = "scripted"
    let modelHash: String
    let iterations: Int
    private(set) var completedIterations: Int
    private(set) var losses: [Float]
    private(set) var similarities: [Float]
    private(set) var timings: [Timing] = []
    let metadata: PictureMetadata = ["Software": "scripted"]
    private var offset: [Float]
    private let seed: UInt64
    private let side: Int
    private var isFinished = false
    private let onPass: @Sendable (Int) throws(Status) -> Void

    init(
        job: PersonalizationJob, modelHash: String, state: ResumeState?, side: Int,
        onPass: @escaping @Sendable (Int) throws(Status) -> Void
    ) {
        self.modelHash = modelHash
        iterations = job.request.iterations ?? 4
        completedIterations = state?.nextIteration ?? 0
        losses = state?.losses ?? []
        similarities = state?.similarities ?? []
        offset = state?.offsets.first?.values ?? [Float](repeating: 0, count: 12)
        seed = job.seed
        self.side = side
        self.onPass = onPass
    }

    mutating func next() throws(Status) -> PersonalizationPass? {
        guard !isFinished else { return nil }
        let iteration = completedIterations
        try onPass(iteration)
        let sum = offset.reduce(Float(seed % 97) / 97) { $0 * 0.7 + $1 }
        let similarity = sum / (1 + abs(sum))
        let loss = 100 * (1 - similarity)
        isFinished = iteration == iterations
        let (shown, side) = (offset, side)
        if !isFinished {
            for index in offset.indices {
                offset[index] = offset[index] * 0.9 + Float((Int(seed % 1000) + 7 * index + 13 * iteration) % 31) / 31
            }
            completedIterations += 1
            losses.append(loss)
            similarities.append(similarity)
        }
        timings = Timing.add(timings, phase: "guidance")
        return PersonalizationPass(iteration: iteration, isLast: isFinished, loss: loss, similarity: similarity) {
            () throws(Status) in
            do {
                let pixels = (0..<(side * side * 3)).map { UInt8(truncatingIfNeeded: Int(shown[$0 % 12] * 1000) + $0) }
                return try Picture(width: side, height: side, pixels: pixels)
            } catch {
                throw Status(.internal, "\(error)")
            }
        }
    }

    func guidanceTensors() throws(Status) -> (offsets: [WireTensor], anchors: [WireTensor]) {
        do {
            return ([try WireTensor(shape: [1, 2, 2, 3], values: offset)], [])
        } catch {
            throw Status(.internal, "\(error)")
        }
    }
}

extension Timing {
    fileprivate static func add(_ timings: [Timing], phase: String) -> [Timing] {
        [Timing(phase: phase, seconds: (timings.first?.seconds ?? 0) + 0.5, count: (timings.first?.count ?? 0) + 1)]
    }
}

/// Requests and pictures of tests.
enum Sample {
    static func picture() throws -> [UInt8] {
        try Picture(width: 16, height: 16, fill: (red: 200, green: 120, blue: 40)).encode(.png)
    }

    static func request(iterations: Int = 4, seed: UInt64 = 7) throws -> PersonalizeRequest {
        var request = PersonalizeRequest(references: [Reference(picture: .image(try picture()))], prompt: "a portrait")
        request.iterations = iterations
        request.seed = seed
        request.output = .png
        return request
    }

    /// The properties of a well-formed request.
    static func properties(jobID: String, replyTo: String?) -> MessageProperties {
        MessageProperties(
            contentType: Wire.contentType, type: Wire.Method.personalize.rawValue, messageID: jobID,
            correlationID: "c-" + jobID, replyTo: replyTo)
    }
}
