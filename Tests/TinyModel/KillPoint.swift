/// Where in a job's life a worker can be killed.
public enum KillPoint: String, Sendable {
    /// The broker has given it to the worker, nothing else.
    case taken
    /// The client has been told that a worker has it.
    case accepted
    /// Some iterations are done.
    case computing
    /// The reply is confirmed, the request not acknowledged.
    case replied
    /// It waits confirmed for its next attempt, the request is not acknowledged.
    case retried
    /// It is confirmed among the dead letters, the request is not acknowledged.
    case deadLettered
    /// It is confirmed in its lane with its state, the request is not acknowledged.
    case handedOver
    /// The acknowledgement was given to the connection, which may not have sent it yet.
    case acknowledged
}
