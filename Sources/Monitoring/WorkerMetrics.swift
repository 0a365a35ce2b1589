import Jobs
import Messages
import RectifIDClient
import Telemetry

/// The metrics of a worker's jobs; every label has few values, and none of them comes from a message.
struct WorkerMetrics: Sendable {
    let taken: Counter
    let settled: Counter
    let deadLettered: Counter
    let redelivered: Counter
    let iterations: Counter
    let samplerSeconds: Counter
    let publishFailures: Counter
    let queueWait: Histogram
    let duration: Histogram
    let phaseSeconds: Histogram
    let iterationSeconds: Histogram
    let attempts: Histogram
    let similarity: Histogram
    let similarityGain: Histogram
    let publishSeconds: Histogram

    /// From a millisecond to an hour, three to the decade.
    private static let seconds = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600,
    ]

    init(in registry: MetricRegistry) {
        taken = registry.counter("rectifid_jobs_taken_total", "Requests taken from a lane.", labels: ["lane"])
        settled = registry.counter(
            "rectifid_jobs_total", "Requests that left this worker, by how and with which status code.",
            labels: ["lane", "outcome", "code"])
        deadLettered = registry.counter(
            "rectifid_jobs_dead_lettered_total", "Requests that became dead letters.", labels: ["lane", "code"])
        redelivered = registry.counter(
            "rectifid_jobs_redelivered_total", "Requests taken that the broker had given to somebody before.",
            labels: ["lane"])
        iterations = registry.counter("rectifid_iterations_total", "Passes of the guidance, the last one included.")
        samplerSeconds = registry.counter(
            "rectifid_sampler_seconds_total", "Time of the computation by what it was spent on.", labels: ["phase"])
        publishFailures = registry.counter(
            "rectifid_publish_failures_total", "Messages that the broker did not confirm, by reason.",
            labels: ["kind", "reason"])
        queueWait = registry.histogram(
            "rectifid_job_queue_wait_seconds", "How long requests lay in their lane before they were taken.",
            labels: ["lane"], buckets: Self.seconds)
        duration = registry.histogram(
            "rectifid_job_duration_seconds", "From taking a request to settling it.", labels: ["lane", "outcome"],
            buckets: Self.seconds)
        phaseSeconds = registry.histogram(
            "rectifid_job_phase_seconds", "Time of a job's phases: fetch, decode, prepare, guidance, encode, settle.",
            labels: ["phase"], buckets: Self.seconds)
        iterationSeconds = registry.histogram(
            "rectifid_iteration_seconds", "Time of one pass of the guidance.", buckets: Self.seconds)
        attempts = registry.histogram(
            "rectifid_job_attempts", "Attempts that answered jobs took.", buckets: [1, 2, 3, 4, 5, 10])
        let cosines = stride(from: -0.2, through: 1, by: 0.1).map { ($0 * 10).rounded() / 10 }
        similarity = registry.histogram(
            "rectifid_job_similarity", "Cosine similarity to the references, before and after the guidance.",
            labels: ["when"], buckets: cosines)
        similarityGain = registry.histogram(
            "rectifid_job_similarity_gain", "Similarity after the guidance less that before it.", buckets: cosines)
        publishSeconds = registry.histogram(
            "rectifid_publish_seconds", "Time until the broker confirmed a message, or did not.", labels: ["kind"],
            buckets: Self.seconds)
        announce()
    }

    /// Makes the series known that an alert may ask for before anything has happened.
    private func announce() {
        for lane in Lane.allCases.map(\.rawValue) {
            taken.add(0, lane)
            redelivered.add(0, lane)
            queueWait.announce(lane)
            for outcome in [Settlement.Outcome.succeeded, .handedOver, .released] {
                settled.add(0, lane, outcome.rawValue, StatusCode.ok.name)
            }
            duration.announce(lane, Settlement.Outcome.succeeded.rawValue)
        }
        for phase in JobPhase.allCases { phaseSeconds.announce(phase.rawValue) }
        for kind in Publication.Kind.allCases { publishSeconds.announce(kind.rawValue) }
        iterations.add(0)
        iterationSeconds.announce()
        attempts.announce()
        similarityGain.announce()
        for when in ["before", "after"] { similarity.announce(when) }
    }

    func took(_ request: TakenRequest) {
        let lane = request.lane.rawValue
        taken.add(1, lane)
        if request.redeliveries > 0 { redelivered.add(1, lane) }
        if let wait = request.wait { queueWait.observe(wait.inSeconds, lane) }
    }

    func settled(_ settlement: Settlement, lane: Lane, after duration: Duration) {
        settled.add(1, lane.rawValue, settlement.outcome.rawValue, settlement.code.name)
        self.duration.observe(duration.inSeconds, lane.rawValue, settlement.outcome.rawValue)
        if settlement.isDeadLettered { deadLettered.add(1, lane.rawValue, settlement.code.name) }
        if settlement.outcome == .succeeded || settlement.outcome == .failed {
            attempts.observe(Double(settlement.attempt))
        }
        if let measured = settlement.similarity {
            similarity.observe(Double(measured.before), "before")
            similarity.observe(Double(measured.after), "after")
            similarityGain.observe(Double(measured.after - measured.before))
        }
    }

    func published(_ publication: Publication) {
        publishSeconds.observe(publication.duration.inSeconds, publication.kind.rawValue)
        guard let error = publication.error else { return }
        publishFailures.add(1, publication.kind.rawValue, error.kind)
    }
}

extension Duration {
    var inNanoseconds: Int64 {
        let (product, overflow) = components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : product + components.attoseconds / 1_000_000_000
    }
}
