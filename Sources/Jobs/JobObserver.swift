public import Broker
public import Logging
public import Messages
public import RectifIDClient

/// Hears what a worker does, for metrics, traces and logs.
///
/// All methods are called where things happen, some on the thread that computes: they must not block.
public protocol WorkerObserver: Sendable {
    /// A request was taken from its lane; it has not been read and may be unreadable.
    ///
    /// - Returns: Who hears what becomes of it.
    func took(_ request: TakenRequest) -> any JobObserver
}

/// Hears what becomes of one request that a worker has taken.
public protocol JobObserver: Sendable {
    /// Headers for all messages about the job, the request itself included when it is published again; they replace the
    /// request's own of these names (`traceparent`, `tracestate`). Nil: the request's own are passed on.
    var traceHeaders: [String: HeaderValue]? { get }
    /// For every line that is logged about the job.
    var logMetadata: Logger.Metadata { get }

    /// A phase begins; phases do not overlap.
    func began(_ phase: JobPhase)
    /// The phase ends, well or not.
    func ended(_ phase: JobPhase)
    /// A pass of the guidance is over.
    func completed(_ pass: CompletedPass)
    /// The computation is over and took this, by the sampler's own phases; only what was computed here.
    func computed(_ timings: [Timing])
    /// A message about the job was published or not.
    func published(_ publication: Publication)
    /// The request left this worker; said once, and last.
    func settled(_ settlement: Settlement)
}

/// The parts of a job's time at a worker.
public enum JobPhase: String, Sendable, CaseIterable {
    /// What the request has only keys of is read from the store.
    case fetch
    /// References become pictures.
    case decode
    /// Prompt and references become what the sampler starts from.
    case prepare
    /// All passes, the last one included.
    case guidance
    /// The picture becomes a file.
    case encode
    /// The result, or what stands for it, is published and the request acknowledged.
    case settle
}

/// A request as it was taken.
public struct TakenRequest: Sendable {
    public var lane: Lane
    /// The request's `message_id`, or a word that stands for a missing one.
    public var jobID: String
    /// As they came: nothing in them is checked.
    public var properties: MessageProperties
    public var exchange: String
    public var routingKey: String
    public var queue: String
    /// Bytes of the body.
    public var size: Int
    /// How often the broker gave the request to somebody before, by its own count.
    public var redeliveries: Int
    /// How long the request lay in its lane, without the delay before a retry; nil where unknown.
    ///
    /// As exact as the message says when it was published and as the clocks of its sender and of this machine agree.
    public var wait: Duration?
}

/// A pass of the guidance, as it is over.
public struct CompletedPass: Sendable, Equatable {
    /// From 0.
    public var iteration: Int
    /// Whether its picture is the result.
    public var isLast: Bool
    public var loss: Float
    public var similarity: Float
    public var duration: Duration
}

/// A message that a worker published about a job.
public struct Publication: Sendable, Equatable {
    /// What it was, which says where it went.
    public enum Kind: String, Sendable, CaseIterable {
        /// Acceptance or progress, to the client.
        case event
        /// What ends the job, to the client.
        case result
        /// The request with its state, to its lane.
        case resumption
        /// The request, to wait for its next attempt.
        case retry
        /// The request, to the dead letters.
        case deadLetter = "dead_letter"
    }

    public var kind: Kind
    public var exchange: String
    public var routingKey: String
    /// Until the broker's confirm, or the error.
    public var duration: Duration
    public var error: BrokerError?
}

/// How a request left a worker.
public struct Settlement: Sendable, Equatable {
    public enum Outcome: String, Sendable, CaseIterable {
        /// Replied to with a picture.
        case succeeded
        /// Replied to with another status, or not, where nobody is there to be told.
        case failed
        /// Sent to wait for another attempt.
        case retried
        /// Published again with its state.
        case handedOver = "handed_over"
        /// Given back as it came.
        case released
    }

    public var outcome: Outcome
    /// `.ok` where nothing went wrong with the job itself.
    public var code: StatusCode = .ok
    /// Whether a dead letter was made of the request.
    public var isDeadLettered = false
    /// Attempt that this was, from 1.
    public var attempt = 1
    /// Of a job that has succeeded, where it was measured.
    public var similarity: Similarity?

    public init(
        _ outcome: Outcome, code: StatusCode = .ok, isDeadLettered: Bool = false, attempt: Int = 1,
        similarity: Similarity? = nil
    ) {
        self.outcome = outcome
        self.code = code
        self.isDeadLettered = isDeadLettered
        self.attempt = attempt
        self.similarity = similarity
    }
}

/// Hears and says nothing.
public struct NoObserver: WorkerObserver, JobObserver {
    public var traceHeaders: [String: HeaderValue]? { nil }
    public var logMetadata: Logger.Metadata { [:] }

    public init() {}

    public func took(_ request: TakenRequest) -> any JobObserver { self }
    public func began(_ phase: JobPhase) {}
    public func ended(_ phase: JobPhase) {}
    public func completed(_ pass: CompletedPass) {}
    public func computed(_ timings: [Timing]) {}
    public func published(_ publication: Publication) {}
    public func settled(_ settlement: Settlement) {}
}

extension JobObserver {
    /// Runs `body` as a phase.
    func during<Value, Failure: Error>(
        _ phase: JobPhase, _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        began(phase)
        defer { ended(phase) }
        return try body()
    }
}

extension CompletedPass {
    init(_ pass: PersonalizationPass, duration: Duration) {
        self.init(
            iteration: pass.iteration, isLast: pass.isLast, loss: pass.loss, similarity: pass.similarity,
            duration: duration)
    }
}

extension TakenRequest {
    init(_ delivery: Delivery, lane: Lane, jobID: String, at now: UnixMilliseconds) {
        self.lane = lane
        self.jobID = jobID
        properties = delivery.properties
        exchange = delivery.exchange
        routingKey = delivery.routingKey
        queue = delivery.queue
        size = delivery.omittedBodySize.map(Int.init(clamping:)) ?? delivery.body.count
        redeliveries = max(delivery.redeliveries, delivery.isRedelivered ? 1 : 0)
        wait = Self.wait(delivery.properties, now)
    }

    /// Both times come with the message, and the clocks of its sender and of this machine may differ.
    private static func wait(_ properties: MessageProperties, _ now: UnixMilliseconds) -> Duration? {
        let start: UnixMilliseconds
        if let due = properties.headers[Wire.Header.due]?.int64Value {
            start = due
        } else if let seconds = properties.timestamp, seconds <= .max / 1000 {
            start = seconds * 1000
        } else {
            return nil
        }
        guard start > 0 else { return nil }
        return .milliseconds(max(now - start, 0))
    }
}
