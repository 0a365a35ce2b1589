import Broker
import Messages
public import RectifIDClient

/// Why a job is a dead letter, as its headers say.
public struct DeadLetterHeader: Sendable, Equatable {
    /// Name of the status code; for a letter that the broker wrote itself its own reason, such as `DELIVERY_LIMIT`.
    public var code: String
    public var reason: String
    /// Attempts made.
    public var attempts: Int
    /// First and last failure, nil where nobody noted it.
    public var firstTime: UnixMilliseconds?
    public var lastTime: UnixMilliseconds?
    /// The worker of the last attempt.
    public var worker: String?

    init(
        code: String, reason: String, attempts: Int, firstTime: UnixMilliseconds?, lastTime: UnixMilliseconds?,
        worker: String?
    ) {
        self.code = code
        self.reason = reason
        self.attempts = attempts
        self.firstTime = firstTime
        self.lastTime = lastTime
        self.worker = worker
    }

    /// All properties of a message share one frame, so text is cut.
    private static let maximumReasonBytes = 2000

    func write(to headers: inout [String: HeaderValue]) {
        headers[JobHeader.nextSequence] = nil
        headers[Wire.Header.attempt] = .int64(Int64(attempts))
        headers[Wire.Header.deathCode] = .string(code)
        headers[Wire.Header.deathReason] = .string(reason.cut(toBytes: Self.maximumReasonBytes))
        headers[Wire.Header.deathFirstTime] = firstTime.map { .int64($0) }
        headers[Wire.Header.deathLastTime] = lastTime.map { .int64($0) }
        headers[Wire.Header.deathWorker] = worker.map { .string($0) }
    }

    /// Takes everything out that a fresh job does not have.
    ///
    /// The deadline too: it has passed long ago, and whoever retries wants the picture now.
    static func remove(from headers: inout [String: HeaderValue]) {
        let names = [
            JobHeader.nextSequence, Wire.Header.attempt, Wire.Header.deathCode, Wire.Header.deathReason,
            Wire.Header.deathFirstTime, Wire.Header.deathLastTime, Wire.Header.deathWorker, Wire.Header.deadline,
        ]
        for name in names { headers[name] = nil }
    }

    /// Reads what a worker wrote, or what the broker did where no worker was left to write.
    init(_ delivery: Delivery) {
        let headers = delivery.properties.headers
        let death = delivery.deaths.first
        attempts = Int(clamping: headers[Wire.Header.attempt]?.int64Value ?? 0)
        worker = headers[Wire.Header.deathWorker]?.stringValue
        if let code = headers[Wire.Header.deathCode]?.stringValue {
            self.code = code
            reason = headers[Wire.Header.deathReason]?.stringValue ?? ""
            firstTime = headers[Wire.Header.deathFirstTime]?.int64Value
            lastTime = headers[Wire.Header.deathLastTime]?.int64Value
        } else {
            code = death?.reason.uppercased() ?? "UNKNOWN"
            reason = death.map { Self.explanation(of: $0) } ?? "published here by somebody else than a worker"
            lastTime = death?.time.map { $0.multipliedReportingOverflow(by: 1000).partialValue }
            firstTime = lastTime
        }
    }

    private static func explanation(of death: Death) -> String {
        switch death.reason {
        case "delivery_limit": "\(death.queue): workers died or lost the broker at every delivery"
        case "rejected": "\(death.queue): refused by a worker that could not say more; the message is too large"
        case "expired": "\(death.queue): expired before a worker took it"
        default: "\(death.queue): \(death.reason)"
        }
    }
}
