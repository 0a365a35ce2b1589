public import Broker
public import RectifIDClient

/// A job that was given up, as the dead-letter queue has it.
public struct DeadLetter: Sendable, Equatable {
    /// The job's id, or what stood in its place.
    public var jobID: String
    public var header: DeadLetterHeader
    /// The lane that the job came from.
    public var lane: Lane
    /// Bytes of the request.
    public var size: Int
    public var properties: MessageProperties
    /// The deaths that the broker noted, newest first.
    public var deaths: [Death]

    init(_ delivery: Delivery) {
        jobID = delivery.properties.messageID ?? "(none)"
        header = DeadLetterHeader(delivery)
        lane = Lane(rawValue: delivery.routingKey) ?? .batch
        size = delivery.omittedBodySize.map { Int(clamping: $0) } ?? delivery.body.count
        properties = delivery.properties
        deaths = delivery.deaths
    }
}

/// Which dead letters are meant.
public enum DeadLetterFilter: Sendable, Equatable {
    case all
    case code(String)
    case jobs(Set<String>)

    func matches(_ letter: DeadLetter) -> Bool {
        switch self {
        case .all: true
        case .code(let code): letter.header.code == code.uppercased()
        case .jobs(let ids): ids.contains(letter.jobID)
        }
    }
}

/// Dead letters of the same code.
public struct DeadLetterGroup: Sendable, Equatable {
    public var code: String
    public var letters: [DeadLetter]

    /// Groups, the largest first.
    public static func groups(of letters: [DeadLetter]) -> [DeadLetterGroup] {
        Dictionary(grouping: letters) { $0.header.code }
            .map { DeadLetterGroup(code: $0.key, letters: $0.value) }
            .sorted { ($1.letters.count, $0.code) < ($0.letters.count, $1.code) }
    }
}
