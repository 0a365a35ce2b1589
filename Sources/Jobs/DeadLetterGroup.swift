import Broker
import Messages
public import RectifIDClient

/// Dead letters of one kind of failure: the same code, model and reason but for its variable parts.
public struct DeadLetterGroup: Sendable, Equatable {
    /// 10 hexadecimal digits, the same at every look; ``DeadLetterFilter/group`` takes it.
    public let id: String
    public let code: String
    /// The model asked for; ``DeadLetterFilter/standardModel`` for none, nil where the request cannot be read.
    public let model: String?
    /// The reason without numbers, quotations and ids.
    public let pattern: String
    public private(set) var count = 0
    /// Bytes of all requests.
    public private(set) var size = 0
    public private(set) var firstTime: UnixMilliseconds?
    public private(set) var lastTime: UnixMilliseconds?
    /// A letter of the group, and its reason in full: of the newest failure.
    public private(set) var exampleJob = ""
    public private(set) var exampleReason = ""

    /// Anybody can write a long one, and there can be as many groups as letters.
    private static let maximumReasonBytes = 500

    private init(_ letter: DeadLetter, _ body: DeadLetterBody) {
        let key = Self.key(letter, body)
        (id, code, model, pattern) = (Self.id(key), key.code, key.model, key.pattern)
    }

    private mutating func add(_ letter: DeadLetter) {
        let header = letter.header
        if let time = header.firstTime ?? header.lastTime { firstTime = min(firstTime ?? time, time) }
        if count == 0 || (header.lastTime ?? .min) >= (lastTime ?? .min) {
            (exampleJob, exampleReason) = (letter.jobID, header.reason.cut(toBytes: Self.maximumReasonBytes))
        }
        if let time = header.lastTime { lastTime = max(lastTime ?? time, time) }
        count += 1
        size += letter.size
    }

    /// Counts letters into groups as they come, without keeping them.
    public struct Tally: Sendable {
        private var members: [String: DeadLetterGroup] = [:]

        public init() {}

        public mutating func add(_ letter: DeadLetter, _ body: DeadLetterBody) {
            members[DeadLetterGroup.id(of: letter, body), default: DeadLetterGroup(letter, body)].add(letter)
        }

        /// The largest first.
        public var groups: [DeadLetterGroup] {
            members.values.sorted { ($1.count, $0.code, $0.id) < ($0.count, $1.code, $1.id) }
        }
    }

    static func id(of letter: DeadLetter, _ body: DeadLetterBody) -> String { id(key(letter, body)) }

    private typealias Key = (code: String, model: String?, pattern: String)

    private static func key(_ letter: DeadLetter, _ body: DeadLetterBody) -> Key {
        let request = try? body.request.get()
        return (
            letter.header.code, request.map { $0.modelID ?? DeadLetterFilter.standardModel },
            DeadLetterReason.pattern(letter.header.reason, jobID: letter.properties.messageID)
        )
    }

    private static func id(_ key: Key) -> String {
        var print = Fingerprint()
        print.mix(key.code)
        print.mix(key.model ?? "\u{0}")
        print.mix(key.pattern)
        return String(print.value >> 24, radix: 16).leftPadded(to: 10)
    }
}

/// Makes failures of the same kind look the same.
enum DeadLetterReason {
    private static let maximumCharacters = 160

    /// The reason with `N` for numbers, `'…'` for what is quoted, `*` for ids and `JOB` for the job's own.
    static func pattern(_ reason: String, jobID: String?) -> String {
        var rest = Substring(reason)
        // A short id would be found inside of words.
        if let jobID, jobID.utf8.count >= 4 { rest = Substring(reason.replacing(jobID, with: "JOB")) }
        var pattern = ""
        while let character = rest.first, pattern.count < maximumCharacters {
            if character == "'" || character == "\"", let end = rest.dropFirst().firstIndex(of: character) {
                pattern += "\(character)…\(character)"
                rest = rest[rest.index(after: end)...]
            } else if isWord(character) {
                let word = rest.prefix(while: isWord)
                pattern += Self.pattern(ofWord: word)
                rest = rest.dropFirst(word.count)
            } else {
                pattern.append(character)
                rest = rest.dropFirst()
            }
        }
        return pattern
    }

    private static func isWord(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_"
    }

    /// A word as it is, a number as `N`, one number in or at a word as `N`, and what mixes them further as `*`.
    private static func pattern(ofWord word: Substring) -> String {
        var parts: [(isNumber: Bool, text: Substring)] = []
        var rest = word
        while let first = rest.first {
            let run = rest.prefix { $0.isNumber == first.isNumber }
            parts.append((first.isNumber, run))
            rest = rest.dropFirst(run.count)
        }
        guard parts.count <= 2 else { return "*" }
        return parts.map { $0.isNumber ? "N" : String($0.text) }.joined()
    }
}
