/// Names and constants of the contract's AMQP side: what stands in properties and headers rather than in the body.
public enum Wire {
    /// `content_type` of every message.
    public static let contentType = "application/x-protobuf"

    /// The `type` of a request: `package.Service/Method`, as in gRPC's path.
    public enum Method: String, Sendable, CaseIterable {
        case personalize = "rectifid.v1.Personalization/Personalize"
        case cancel = "rectifid.v1.Personalization/Cancel"
        case describe = "rectifid.v1.Personalization/Describe"
    }

    /// Names of message headers.
    public enum Header {
        /// When the job stops being of use: milliseconds since 1970 UTC, a 64-bit integer.
        public static let deadline = "rectifid-deadline"
        /// When the request could first be taken from its lane: milliseconds since 1970 UTC, a 64-bit integer.
        ///
        /// Only for measuring how long it waits there; without it that is counted from `timestamp`.
        public static let due = "rectifid-due"
        /// Whom a fair share of the workers is for: a name that the client gives itself.
        public static let client = "rectifid-client"
        /// W3C Trace Context.
        public static let traceParent = "traceparent"
        public static let traceState = "tracestate"
        /// Attempts made before this one, an integer.
        ///
        /// The broker's own `x-death` will not do: its versions count differently.
        public static let attempt = "rectifid-attempt"
        /// On a dead letter: name of the status code, such as `INVALID_ARGUMENT`.
        public static let deathCode = "rectifid-death-code"
        /// On a dead letter: the status message.
        public static let deathReason = "rectifid-death-reason"
        /// On a dead letter: first and last failure, milliseconds since 1970 UTC.
        public static let deathFirstTime = "rectifid-death-first-time"
        public static let deathLastTime = "rectifid-death-last-time"
        /// On a dead letter: the worker of the last attempt.
        public static let deathWorker = "rectifid-death-worker"
        /// On a job that was a dead letter: how often an operator sent it back to work, an integer.
        public static let retryCount = "rectifid-retry-count"
        /// On a job that was a dead letter: an array of tables, the newest failure first.
        public static let earlierFailures = "rectifid-earlier-failures"
        /// On a dead letter that was moved: the broker's own `x-death`, which brokers from 4.0 take from no client.
        public static let deathTrail = "rectifid-death-trail"
        /// On a discarded dead letter: who did it, and when in milliseconds since 1970 UTC.
        public static let discardOperator = "rectifid-discard-operator"
        public static let discardTime = "rectifid-discard-time"
    }

    /// Whether a text can be a job id: 1 to 128 visible ASCII characters, for it goes into logs and routing keys.
    public static func isJobID(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}
