import Foundation
import Testing

@testable import Broker
import BrokerTestSupport
@testable import Jobs
@testable import Messages
@testable import RectifIDClient

/// Messages that were damaged on purpose, through all that reads them; `scripts/fuzz`.
@Suite(.timeLimit(.minutes(60)))
struct FuzzTests {
    private static let count = ProcessInfo.processInfo.environment["RECTIFID_FUZZ_COUNT"].flatMap { Int($0) } ?? 30_000

    @Test func damagedMessagesGiveValuesOrTypedErrorsInBoundedMemory() throws {
        var damage = Damage(seed: 2026)
        let seeds = try Self.seeds()
        var read = 0
        // Everything that is allocated once is, before the memory is looked at.
        for _ in 0..<2000 { _ = try feed(&damage, seeds) }
        let before = (ResidentMemory.bytes >> 20)
        for _ in 0..<Self.count where try feed(&damage, seeds) { read += 1 }
        let after = (ResidentMemory.bytes >> 20)
        print("\(Self.count) damaged messages, \(read) of them readable; \(before) MB before, \(after) MB after")
        // Both outcomes must have been met, or the damage tests nothing.
        #expect(read > Self.count / 100 && read < Self.count * 99 / 100)
        // Freed memory may stay with the allocator, more of it under a sanitizer; a leak would be gigabytes.
        #expect(after - before < 100)
    }

    /// One message through its reader; true where it was accepted.
    private func feed(_ damage: inout Damage, _ seeds: [[[UInt8]]]) throws -> Bool {
        let kind = damage.number(below: seeds.count + 2)
        switch kind {
        case 0: return try reads(PersonalizeRequest.self, damage.apply(to: seeds[0], all: seeds))
        case 1: return try reads(PersonalizeEvent.self, damage.apply(to: seeds[1], all: seeds))
        case 2: return try reads(CancelRequest.self, damage.apply(to: seeds[2], all: seeds))
        case 3: return try reads(CancelReply.self, damage.apply(to: seeds[3], all: seeds))
        case 4: return try reads(DescribeRequest.self, damage.apply(to: seeds[4], all: seeds))
        case 5: return try reads(DescribeReply.self, damage.apply(to: seeds[5], all: seeds))
        default:
            // A whole delivery, as a worker reads it.
            let body = damage.coin() ? damage.pick(seeds[0]) : damage.apply(to: seeds[0], all: seeds)
            let delivery = Delivery(
                properties: damage.properties(), body: body, omittedBodySize: nil, exchange: "rectifid.work",
                routingKey: "batch", queue: "rectifid.work.batch", isRedelivered: damage.coin(),
                receipt: Receipt(channelEpoch: 1, deliveryTag: 1))
            _ = ReplyAddress(delivery.properties)
            _ = delivery.deaths
            do throws(Status) {
                _ = try Job(delivery, lane: .batch, limits: .standard)
                return true
            } catch {
                if error.message.isEmpty || error.code == .ok { Issue.record("\(error)") }
                return false
            }
        }
    }

    private func reads<M: WireMessage>(_ type: M.Type, _ bytes: [UInt8]) throws -> Bool {
        do throws(MessageError) {
            let value = try M.decode(bytes)
            // What was accepted survives another trip.
            if try M.decode(value.encode()) != value { Issue.record("\(M.typeName) changed on its way: \(bytes)") }
            return true
        } catch {
            if error.problem.isEmpty { Issue.record("\(error)") }
            return false
        }
    }

    /// Good messages of each kind, to be damaged.
    private static func seeds() throws -> [[[UInt8]]] {
        var request = PersonalizeRequest(
            references: [Reference(picture: .image([1, 2, 3])), Reference(picture: .key("jobs/a/b.png"))],
            prompt: "a portrait")
        request.iterations = 4
        request.steps = 2
        let plain = request.encode()
        request.gain = .perStep([1, 0.5])
        request.progressInterval = 1
        request.resume = ResumeState(
            nextIteration: 2, offsets: [try WireTensor(shape: [1, 2, 2, 4], values: [Float](repeating: 1, count: 16))],
            losses: [1, 2], similarities: [0, 1], seed: 9, modelHash: String(repeating: "a", count: 64))
        let events: [PersonalizeEvent.Body] = [
            .accepted(
                PersonalizeAccepted(
                    workerID: "w", attempt: 1, firstIteration: 0, iterations: 4, modelID: "demo", seed: 3)),
            .progress(PersonalizeProgress(iteration: 1, iterations: 4, loss: 3, similarity: 0.5, preview: [1, 2])),
            .result(PersonalizeResult(status: Status(.internal, "failed"), workerID: "w", attempt: 2)),
        ]
        return [
            [plain, request.encode()], events.map { PersonalizeEvent(jobID: "job", sequence: 1, body: $0).encode() },
            [CancelRequest(jobID: "job", reason: "enough").encode()],
            [CancelReply(jobID: "job", outcome: .noted, workerID: "w", iteration: 1).encode()],
            [DescribeRequest(workerID: "w").encode()],
            [
                DescribeReply(
                    workerID: "w", version: "1", state: .ready, device: "CPU", slots: 1, jobs: [], models: [],
                    subjects: [.person], uptimeSeconds: 1, jobsSucceeded: 1, jobsFailed: 0, maximumRequestBytes: 1
                ).encode()
            ],
        ]
    }
}

/// Damages messages and properties, the same for the same seed (SplitMix64).
private struct Damage {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func number(below bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func coin() -> Bool { next() & 1 == 0 }
    mutating func pick<T>(_ values: [T]) -> T { values[number(below: values.count)] }

    /// Up to four edits: bits, bytes, cuts, repeats, parts of other messages, numbers that say too much.
    mutating func apply(to originals: [[UInt8]], all: [[[UInt8]]]) -> [UInt8] {
        var bytes = pick(originals)
        for _ in 0..<number(below: 5) where !bytes.isEmpty {
            let at = number(below: bytes.count)
            switch number(below: 7) {
            case 0: bytes[at] ^= 1 << UInt8(number(below: 8))
            case 1: bytes[at] = UInt8(truncatingIfNeeded: next())
            case 2: bytes.removeLast(number(below: bytes.count))
            case 3: bytes.insert(contentsOf: bytes[at...].prefix(number(below: 40)), at: at)
            case 4: bytes.removeSubrange(at..<min(bytes.count, at + number(below: 9)))
            case 5: bytes.insert(contentsOf: [0xFF, 0xFF, 0xFF, 0xFF, UInt8(number(below: 16))], at: at)
            default:
                let other = pick(pick(all))
                bytes.insert(contentsOf: other.prefix(number(below: other.count + 1)), at: at)
            }
        }
        return bytes
    }

    /// Properties of a request, some of them wrong.
    mutating func properties() -> MessageProperties {
        var properties = MessageProperties(
            contentType: Wire.contentType, type: Wire.Method.personalize.rawValue, messageID: "job",
            correlationID: "c", replyTo: "rectifid.reply.1")
        for _ in 0..<number(below: 3) {
            switch number(below: 8) {
            case 0: properties.contentType = coin() ? nil : text()
            case 1: properties.contentEncoding = text()
            case 2: properties.type = coin() ? nil : text()
            case 3: properties.messageID = coin() ? nil : text()
            case 4: properties.correlationID = text()
            case 5: properties.replyTo = coin() ? nil : text()
            case 6: properties.timestamp = Int64(bitPattern: next())
            default:
                let name = pick([
                    Wire.Header.deadline, Wire.Header.attempt, JobHeader.nextSequence, Wire.Header.deathFirstTime,
                    "traceparent", "tracestate", "x-death", "x-delivery-count", text(),
                ])
                properties.headers[name] = value(depth: 0)
            }
        }
        return properties
    }

    private mutating func value(depth: Int) -> HeaderValue {
        switch number(below: depth < 4 ? 9 : 6) {
        case 0: .string(text())
        case 1: .int64(Int64(bitPattern: next()))
        case 2: .double(Double(bitPattern: next()))
        case 3: .bool(coin())
        case 4: .bytes(Array(text().utf8))
        case 5: .null
        case 6: .timestamp(Int64(bitPattern: next()))
        case 7: .array((0..<number(below: 4)).map { _ in value(depth: depth + 1) })
        default: .table([text(): value(depth: depth + 1), "queue": value(depth: depth + 1), "reason": "expired"])
        }
    }

    private mutating func text() -> String {
        let alphabet = Array("abc 019-_./:\0\n\"%é漢🙂")
        return String((0..<number(below: coin() ? 8 : 300)).map { _ in pick(alphabet) })
    }
}
