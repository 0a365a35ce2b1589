import Messages

/// An event of a job as a line of JSON; pictures are told by their size.
struct EventLine: Encodable {
    private var job: String
    private var sequence: UInt64
    private var event: String
    private var worker: String?
    private var attempt: Int?
    private var model: String?
    private var modelHash: String?
    private var seed: UInt64?
    private var firstIteration: Int?
    private var iteration: Int?
    private var iterations: Int?
    private var loss: Float?
    private var similarity: Float?
    private var similarityBefore: Float?
    private var status: String?
    private var message: String?
    private var isRetryable: Bool?
    private var width: Int?
    private var height: Int?
    private var bytes: Int?
    private var losses: [Float]?
    private var seconds: [String: Double]?

    init(_ event: PersonalizeEvent) {
        job = event.jobID
        sequence = event.sequence
        switch event.body {
        case .accepted(let accepted):
            self.event = "accepted"
            (worker, attempt, model, seed) = (accepted.workerID, accepted.attempt, accepted.modelID, accepted.seed)
            (firstIteration, iterations) = (accepted.firstIteration, accepted.iterations)
        case .progress(let progress):
            self.event = "progress"
            (iteration, iterations) = (progress.iteration, progress.iterations)
            (loss, similarity) = (progress.loss, progress.similarity)
            if !progress.preview.isEmpty { bytes = progress.preview.count }
        case .result(let result):
            self.event = "result"
            (worker, attempt, seed) = (result.workerID, result.attempt, result.seed)
            (model, modelHash) = (result.modelID, result.modelHash)
            (status, message) = (result.status.code.name, result.status.message)
            isRetryable = result.status.isRetryable
            (similarity, similarityBefore) = (result.similarity?.after, result.similarity?.before)
            (width, height) = (result.picture?.width, result.picture?.height)
            if case .image(let image)? = result.picture?.content { bytes = image.count }
            losses = result.losses
            seconds = Dictionary(result.timings.map { ($0.phase, $0.seconds) }) { $0 + $1 }
        }
    }

    func print() { JSONOutput.printLine(self) }
}
