public import Jobs
public import Messages
import Raster

/// Makes pictures by arithmetic in microseconds, for tests of everything around the picture.
///
/// The picture depends on the seed and on every iteration's offset, so that an iteration left out, done twice or resumed
/// from other numbers shows in its bytes.
public struct TinyPersonalizer: Personalizer {
    public let models = [
        ModelDescription(
            id: "tiny", hash: String(repeating: "71", count: 32), flow: .piecewise, width: 16, height: 16, steps: 2,
            iterations: 4, cfgScale: 1)
    ]
    public let subjects: [Subject] = [.person]
    public let device = "arithmetic"
    private let onBegin: @Sendable (PersonalizationJob) throws(Status) -> Void
    private let onPass: @Sendable (PersonalizationJob, Int) throws(Status) -> Void

    /// - Parameters:
    ///   - onBegin: Called for each job on its thread; may block, or refuse it.
    ///   - onPass: Called before each pass with its number; may block or fail.
    public init(
        onBegin: @escaping @Sendable (PersonalizationJob) throws(Status) -> Void = { (_) throws(Status) in },
        onPass: @escaping @Sendable (PersonalizationJob, Int) throws(Status) -> Void = { (_, _) throws(Status) in }
    ) {
        self.onBegin = onBegin
        self.onPass = onPass
    }

    public func begin(
        _ job: PersonalizationJob, resuming state: ResumeState?
    ) throws(Status) -> any PersonalizationRun {
        try onBegin(job)
        return TinyRun(job: job, state: state, model: models[0], onPass: onPass)
    }
}

/// One job of the tiny model.
struct TinyRun: PersonalizationRun {
    let modelID: String
    let modelHash: String
    let iterations: Int
    let metadata: PictureMetadata = ["Software": "tiny"]
    private(set) var completedIterations: Int
    private(set) var losses: [Float]
    private(set) var similarities: [Float]
    private(set) var timings: [Timing] = []
    private let job: PersonalizationJob
    private let onPass: @Sendable (PersonalizationJob, Int) throws(Status) -> Void
    private var offset: [Float]
    private var isFinished = false

    init(
        job: PersonalizationJob, state: ResumeState?, model: ModelDescription,
        onPass: @escaping @Sendable (PersonalizationJob, Int) throws(Status) -> Void
    ) {
        self.job = job
        self.onPass = onPass
        modelID = model.id
        modelHash = model.hash
        iterations = job.request.iterations ?? model.iterations
        completedIterations = state?.nextIteration ?? 0
        losses = state?.losses ?? []
        similarities = state?.similarities ?? []
        offset = state?.offsets.first?.values ?? [Float](repeating: 0, count: 16)
    }

    mutating func next() throws(Status) -> PersonalizationPass? {
        guard !isFinished else { return nil }
        let iteration = completedIterations
        try onPass(job, iteration)
        let start = ContinuousClock.now
        let similarity = offset.reduce(0, +) / (Float(offset.count) + Float(iteration))
        let loss = 100 * (1 - similarity)
        isFinished = iteration == iterations
        if !isFinished {
            for index in offset.indices { offset[index] = 0.7 * offset[index] + noise(index, iteration) }
            completedIterations += 1
            losses.append(loss)
            similarities.append(similarity)
        }
        timings = [
            Timing(
                phase: "guidance", seconds: start.duration(to: .now) / .seconds(1),
                count: (timings.first?.count ?? 0) + 1)
        ]
        let shown = offset
        return PersonalizationPass(iteration: iteration, isLast: isFinished, loss: loss, similarity: similarity) {
            () throws(Status) in
            do {
                // The numbers' own bits: the slightest difference is one in the file.
                let pixels = (0..<(16 * 16 * 3)).map {
                    UInt8(truncatingIfNeeded: shown[$0 % 16].bitPattern >> UInt32($0 / 16 % 4 * 8))
                }
                return try Picture(width: 16, height: 16, pixels: pixels)
            } catch {
                throw Status(.internal, "\(error)")
            }
        }
    }

    /// Between 0 and 0.3, from the seed, the place and the iteration (SplitMix64's last step).
    private func noise(_ index: Int, _ iteration: Int) -> Float {
        var z = job.seed &+ UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(iteration + 1) &* 0xD1B5_4A32_D192_ED03
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Float((z ^ (z >> 31)) >> 40) / Float(1 << 24) * 0.3
    }

    func guidanceTensors() throws(Status) -> (offsets: [WireTensor], anchors: [WireTensor]) {
        do {
            return ([try WireTensor(shape: [1, 2, 2, 4], values: offset)], [])
        } catch {
            throw Status(.internal, "\(error)")
        }
    }
}
