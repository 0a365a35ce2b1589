import Broker
import Messages
public import RectifIDClient

/// Which dead letters are meant: those that meet every condition set.
public struct DeadLetterFilter: Sendable, Equatable {
    /// The status code's name, in any case.
    public var code: String?
    /// The model's id; ``standardModel`` for requests that leave it to the worker.
    public var model: String?
    /// Bounds of the last failure, both included; a letter without a time meets neither.
    public var since: UnixMilliseconds?
    public var until: UnixMilliseconds?
    /// A part of the client's name, the application's id, the user's or the reply queue's name, in any case.
    public var client: String?
    /// A part of the reason, the prompts, the model's or the job's id, in any case.
    public var text: String?
    /// Ids of jobs or of letters; nil: all.
    public var jobs: Set<String>?
    /// The id of a ``DeadLetterGroup``.
    public var group: String?

    public static let standardModel = "default"

    public init() {}

    public static let all = DeadLetterFilter()

    public static func code(_ code: String) -> DeadLetterFilter {
        var filter = DeadLetterFilter()
        filter.code = code
        return filter
    }

    /// - Parameter ids: Ids of jobs or of letters.
    public static func jobs(_ ids: Set<String>) -> DeadLetterFilter {
        var filter = DeadLetterFilter()
        filter.jobs = ids
        return filter
    }

    /// Whether the properties meet the conditions on them; decided before a body is parsed.
    func matches(_ letter: DeadLetter) -> Bool {
        if let jobs, !jobs.contains(letter.jobID), !jobs.contains(letter.id) { return false }
        if let code, letter.header.code != code.uppercased() { return false }
        if since != nil || until != nil {
            guard let time = letter.header.lastTime else { return false }
            if let since, time < since { return false }
            if let until, time > until { return false }
        }
        if let client {
            guard letter.clients.contains(where: { $0.containsIgnoringCase(client) }) else { return false }
        }
        return true
    }

    /// Whether the body meets the conditions on it.
    func matches(_ letter: DeadLetter, _ body: DeadLetterBody) -> Bool {
        guard model != nil || text != nil || group != nil else { return true }
        let request = try? body.request.get()
        if let model {
            guard let request, request.modelID ?? Self.standardModel == model else { return false }
        }
        if let text {
            let places = [
                letter.header.reason, letter.jobID, request?.prompt, request?.negativePrompt, request?.modelID,
            ]
            guard places.contains(where: { $0?.containsIgnoringCase(text) ?? false }) else { return false }
        }
        if let group { return DeadLetterGroup.id(of: letter, body) == group }
        return true
    }
}

extension DeadLetterFilter: CustomStringConvertible {
    /// The conditions, for the audit: `code=INTERNAL model=demo`.
    public var description: String {
        var parts: [String] = []
        if let jobs {
            let some = jobs.sorted().prefix(20).joined(separator: ",")
            parts.append("jobs=\(some)\(jobs.count > 20 ? ",… (\(jobs.count))" : "")")
        }
        let conditions: [(String, String?)] = [
            ("code", code?.uppercased()), ("model", model), ("since", since?.description),
            ("until", until?.description), ("client", client), ("text", text), ("group", group),
        ]
        for case (let name, let value?) in conditions { parts.append("\(name)=\(value)") }
        return parts.isEmpty ? "all" : parts.joined(separator: " ")
    }
}

extension String {
    /// Letters of the same word in another case are the same; nothing else is.
    func containsIgnoringCase(_ part: String) -> Bool { lowercased().contains(part.lowercased()) }
}
