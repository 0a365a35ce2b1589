import Broker
import Foundation
import Jobs
import Messages
import RectifIDClient

/// A dead letter as JSON: a line of `list --each --json`, of `show --json` and of `export`.
///
/// Names are stable; what a letter does not have is left out.
struct LetterDocument: Encodable {
    struct Failure: Encodable {
        let code, reason, letter, action, `operator`: String
        let attempts: Int
        let firstTime, lastTime, worker, time: String?
        let editedFields: [String]
    }
    struct Death: Encodable {
        let queue, reason, exchange: String
        let count: Int
        let time: String?
        let routingKeys: [String]
    }
    struct Properties: Encodable {
        let contentType, contentEncoding, type, correlationID, appID, userID, sentTime: String?
    }

    let letter, job, code, reason, lane: String
    let attempts, bytes, retries: Int
    let firstTime, lastTime, worker, client, traceParent, replyTo: String?
    let discardedBy, discardedTime: String?
    var model: String?
    /// The following only in full documents.
    var properties: Properties?
    var headers: [String: PlainValue]?
    var earlierFailures: [Failure]?
    var deaths: [Death]?
    var request: RequestDocument?
    /// Why the request could not be read.
    var requestError: String?
    /// The bytes that could not be read, in base64.
    var body: String?

    /// What a list has.
    init(_ letter: DeadLetter, _ body: DeadLetterBody) {
        self.letter = letter.id
        job = letter.jobID
        code = letter.header.code
        reason = letter.header.reason
        lane = letter.lane.rawValue
        attempts = letter.header.attempts
        bytes = letter.size
        retries = letter.history.retryCount
        firstTime = Self.time(letter.header.firstTime)
        lastTime = Self.time(letter.header.lastTime)
        worker = letter.header.worker
        client = letter.clients.first
        traceParent = letter.properties.headers[Wire.Header.traceParent]?.stringValue
        replyTo = letter.properties.replyTo
        discardedBy = letter.discard?.operatorName
        discardedTime = Self.time(letter.discard?.time)
        switch body.request {
        case .success(let request): model = request.modelID ?? DeadLetterFilter.standardModel
        case .failure(let error): requestError = "\(error)"
        }
    }

    /// Everything.
    /// - Parameter withPictures: Whether pictures, and bodies that cannot be read, are in it.
    init(full letter: DeadLetter, _ body: DeadLetterBody, withPictures: Bool = false) {
        self.init(letter, body)
        let properties = letter.properties
        self.properties = Properties(
            contentType: properties.contentType, contentEncoding: properties.contentEncoding, type: properties.type,
            correlationID: properties.correlationID, appID: properties.appID, userID: properties.userID,
            sentTime: Self.time(properties.timestamp.map { $0.multipliedReportingOverflow(by: 1000).partialValue }))
        headers = properties.headers.mapValues { PlainValue($0) }
        earlierFailures = letter.history.failures.map { failure in
            Failure(
                code: failure.code, reason: failure.reason, letter: failure.letterID, action: failure.action,
                operator: failure.operatorName, attempts: failure.attempts, firstTime: Self.time(failure.firstTime),
                lastTime: Self.time(failure.lastTime), worker: failure.worker, time: Self.time(failure.time),
                editedFields: failure.editedFields)
        }
        deaths = letter.deaths.map { death in
            Death(
                queue: death.queue, reason: death.reason, exchange: death.exchange, count: death.count,
                time: Self.time(death.time.map { $0.multipliedReportingOverflow(by: 1000).partialValue }),
                routingKeys: death.routingKeys)
        }
        switch body.request {
        case .success(let request): self.request = RequestDocument(request, withPictures: withPictures)
        case .failure: if withPictures { self.body = Data(body.bytes).base64EncodedString() }
        }
    }

    /// A point in time in ISO 8601, UTC; what no calendar has is left as the number it is.
    static func time(_ milliseconds: UnixMilliseconds?) -> String? {
        milliseconds.map { time in
            guard (0..<253_402_300_800_000).contains(time) else { return "\(time) ms" }
            return Date(timeIntervalSince1970: Double(time) / 1000).ISO8601Format()
        }
    }

    /// For people, one value per line.
    func printLines() {
        var lines: [(String, String?)] = [
            ("job", job), ("letter", letter), ("code", code), ("reason", reason), ("attempts", "\(attempts)"),
            ("first time", firstTime), ("last time", lastTime), ("worker", worker), ("lane", lane),
            ("client", client), ("reply to", replyTo), ("trace", traceParent),
            ("size", ByteCount(bytes).description), ("discarded", discardedTime),
            ("discarded by", discardedBy), ("retries", retries == 0 ? nil : "\(retries)"),
        ]
        for (index, failure) in (earlierFailures ?? []).enumerated() {
            let edited = failure.editedFields.isEmpty ? "" : " of \(failure.editedFields.joined(separator: ", "))"
            let times = [failure.firstTime, failure.lastTime].compactMap { $0 }.joined(separator: " to ")
            lines.append(
                (
                    "earlier failure \(index + 1)",
                    "\(failure.code), \(failure.attempts) attempts, \(times), \(failure.worker ?? "-"): \(failure.reason)"
                ))
            lines.append(("    then", "\(failure.action)\(edited) by \(failure.operator), \(failure.time ?? "-")"))
        }
        for death in deaths ?? [] {
            let way = "from exchange '\(death.exchange)', key \(death.routingKeys.joined(separator: ", "))"
            lines.append(
                ("death", "\(death.reason) in \(death.queue), \(death.count) times, \(death.time ?? "-"), \(way)"))
        }
        if let properties {
            lines += [
                ("content type", properties.contentType), ("content encoding", properties.contentEncoding),
                ("type", properties.type), ("correlation id", properties.correlationID),
                ("application", properties.appID), ("user", properties.userID), ("sent", properties.sentTime),
            ]
        }
        for (name, value) in (headers ?? [:]).sorted(by: { $0.key < $1.key }) {
            lines.append(("header \(name)", "\(value)"))
        }
        for (name, value) in request?.lines ?? [] { lines.append(("request \(name)", value)) }
        lines.append(("request unreadable", requestError))
        for case (let name, let value?) in lines {
            Swift.print("\(name):".escapedForTerminal.padded(to: 30) + value.escapedForTerminal)
        }
    }
}

/// A number of bytes for people.
struct ByteCount: CustomStringConvertible {
    private let count: Int

    init(_ count: Int) { self.count = count }

    var description: String {
        switch count {
        case ..<1000: "\(count) B"
        case ..<1_000_000: String(format: "%.1f kB", Double(count) / 1e3)
        default: String(format: "%.1f MB", Double(count) / 1e6)
        }
    }
}
