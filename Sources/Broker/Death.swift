/// One entry of `x-death`: why and how often a message left a queue for a dead-letter exchange
/// (RabbitMQ documentation, "Dead Letter Exchanges").
public struct Death: Sendable, Equatable {
    /// The queue that the message left.
    public var queue: String
    /// `rejected`, `expired`, `maxlen` or `delivery_limit`.
    public var reason: String
    /// How often it left this queue for this reason.
    public var count: Int
    /// The first time, in seconds since 1970.
    public var time: Int64?
    /// The exchange and the routing keys that the message had been published with.
    public var exchange: String
    public var routingKeys: [String]
}

extension Delivery {
    /// The deaths that the broker wrote down, newest first; entries that are no deaths are left out.
    ///
    /// Brokers from 4.0 ignore an `x-death` header that a client sends, so never count attempts with it.
    public var deaths: [Death] {
        (properties.headers["x-death"]?.arrayValue ?? []).compactMap { entry in
            guard let table = entry.tableValue, let queue = table["queue"]?.stringValue,
                let reason = table["reason"]?.stringValue
            else { return nil }
            return Death(
                queue: queue, reason: reason, count: Int(clamping: table["count"]?.int64Value ?? 1),
                time: table["time"]?.int64Value, exchange: table["exchange"]?.stringValue ?? "",
                routingKeys: (table["routing-keys"]?.arrayValue ?? []).compactMap(\.stringValue))
        }
    }
}
