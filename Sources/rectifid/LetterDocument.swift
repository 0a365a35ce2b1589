import Broker
import Foundation
import Jobs
import Messages
import RectifIDClient

/// A dead letter for people and for JSON.
struct LetterDocument: Encodable {
    let job, code, reason, lane: String
    let attempts, bytes: Int
    let firstTime, lastTime, worker, traceParent, replyTo: String?
    var headers: [String: PlainValue]?
    var request: RequestDocument?
    /// Why the request could not be read.
    var requestError: String?

    init(_ letter: DeadLetter) {
        job = letter.jobID
        code = letter.header.code
        reason = letter.header.reason
        lane = letter.lane.rawValue
        attempts = letter.header.attempts
        bytes = letter.size
        firstTime = Self.time(letter.header.firstTime)
        lastTime = Self.time(letter.header.lastTime)
        worker = letter.header.worker
        traceParent = letter.properties.headers[Wire.Header.traceParent]?.stringValue
        replyTo = letter.properties.replyTo
    }

    /// A point in time in ISO 8601, UTC.
    static func time(_ milliseconds: UnixMilliseconds?) -> String? {
        milliseconds.map { Date(timeIntervalSince1970: Double($0) / 1000).ISO8601Format() }
    }

    func print(asLine: Bool) {
        if asLine { return JSONLine.print(self) }
        var lines: [(String, String?)] = [
            ("job", job), ("code", code), ("reason", reason), ("attempts", "\(attempts)"), ("first time", firstTime),
            ("last time", lastTime), ("worker", worker), ("lane", lane), ("reply to", replyTo), ("trace", traceParent),
            ("size", ByteCount(bytes).description),
        ]
        for (name, value) in (headers ?? [:]).sorted(by: { $0.key < $1.key }) {
            lines.append(("header \(name)", "\(value)"))
        }
        for (name, value) in request?.lines ?? [] { lines.append(("request \(name)", value)) }
        lines.append(("request unreadable", requestError))
        for case (let name, let value?) in lines {
            Swift.print("\(name):\(String(repeating: " ", count: max(1, 28 - name.count)))\(value)")
        }
    }
}

/// What a job asked for; pictures are told by their size.
struct RequestDocument: Encodable {
    let lines: [(String, String)]

    init(_ request: PersonalizeRequest) {
        var lines: [(String, String)] = []
        for (index, reference) in request.references.enumerated() {
            let picture =
                switch reference.picture {
                case .image(let bytes): ByteCount(bytes.count).description
                case .key(let key): "key \(key)"
                }
            let label = reference.label.isEmpty ? "" : ", '\(reference.label)'"
            lines.append(("reference \(index)", "\(reference.subject), \(picture)\(label)"))
        }
        lines.append(("prompt", request.prompt))
        let optional: [(String, (any CustomStringConvertible)?)] = [
            ("negative prompt", request.negativePrompt.isEmpty ? nil : request.negativePrompt),
            ("model", request.modelID), ("seed", request.seed), ("width", request.width), ("height", request.height),
            ("steps", request.steps), ("iterations", request.iterations), ("rate", request.rate),
            ("cfg", request.cfgScale), ("stop at similarity", request.stopAtSimilarity),
        ]
        for case (let name, let value?) in optional { lines.append((name, value.description)) }
        if let gain = request.gain { lines.append(("gain", "\(gain)")) }
        if let flow = request.flow { lines.append(("flow", "\(flow)")) }
        lines.append(("output", "\(request.output)"))
        if let state = request.resume {
            lines.append(("resume", "at iteration \(state.nextIteration), interrupted \(state.interruptions) times"))
        }
        self.lines = lines
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Dictionary(lines) { first, _ in first })
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
