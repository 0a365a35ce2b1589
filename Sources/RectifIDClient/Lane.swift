/// A class of service: each has a work queue of its own.
///
/// Two queues consumed with weights, rather than message priorities: quorum queues have none before RabbitMQ 4, two
/// levels up to 4.2, and strict ones only later.
public enum Lane: String, Sendable, CaseIterable {
    /// Somebody waits for the picture.
    case interactive
    /// Nobody looks on.
    case batch
}
